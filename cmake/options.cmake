# Flags that every object of the project is built with.
add_library(tashika_flags INTERFACE)
target_include_directories(tashika_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
target_compile_options(tashika_flags INTERFACE
  -Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> -Wno-missing-field-initializers
  # The same expression gives the same bits on every instruction set: no silent contraction.
  -ffp-contract=off
  # Reproducible builds: no path of the building machine in the objects.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
# At -O3 these warn about libstdc++'s own inlined code (GCC bugs 105329, 105651, 105593); the dev preset keeps them.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(tashika_flags INTERFACE -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-restrict
    -Wno-maybe-uninitialized)
endif()
# Not under sanitizers: their instrumentation makes GCC 12 see uninitialised variants where there are none.
if(TASHIKA_WERROR AND NOT TASHIKA_SANITIZE)
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
