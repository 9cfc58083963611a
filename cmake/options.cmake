# Flags that every object of the project is built with.
add_library(tashika_flags INTERFACE)
target_include_directories(tashika_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
target_compile_options(tashika_flags INTERFACE
  -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> -Wno-missing-field-initializers
  # The same expression gives the same bits on every instruction set: no silent contraction.
  -ffp-contract=off
  # Reproducible builds: no path of the building machine in the objects.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
if(TASHIKA_WERROR)
  target_compile_options(tashika_flags INTERFACE -Werror)
endif()
if(TASHIKA_SANITIZE)
  target_compile_options(tashika_flags INTERFACE -fsanitize=${TASHIKA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(tashika_flags INTERFACE -fsanitize=${TASHIKA_SANITIZE})
endif()
if(TASHIKA_FUZZ AND NOT TASHIKA_COVERAGE)
  target_compile_options(tashika_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TASHIKA_COVERAGE)
  target_compile_options(tashika_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(tashika_flags INTERFACE -fprofile-instr-generate)
endif()
find_package(Threads REQUIRED)
target_link_libraries(tashika_flags INTERFACE Threads::Threads)
