# The layout's own checks, as tests with the label `house`: they read the tree, and need bash, awk and nm.
foreach(check layers names ops sizes types)
  add_test(NAME house_${check} COMMAND bash ${CMAKE_SOURCE_DIR}/tools/checks/${check}.sh ${CMAKE_SOURCE_DIR})
  set_tests_properties(house_${check} PROPERTIES LABELS house)
endforeach()

# What is generated of the documentation is up to date.
add_test(NAME docs COMMAND sh -c "\"$0\" \"$1/tests/data/golden\" | diff -u \"$1/docs/models.md\" - || { echo 'docs/models.md is out of date: run ./dev docs'; exit 1; }"
         $<TARGET_FILE:model_table> ${CMAKE_SOURCE_DIR})
set_tests_properties(docs PROPERTIES LABELS house)

# No symbol of an instruction set's objects outside its namespace: the linker could keep its copy for everyone.
foreach(isa scalar avx2 avx512 avx512vnni)
  add_test(NAME isa_symbols_${isa}
    COMMAND ${CMAKE_SOURCE_DIR}/tools/checks/isa_symbols.sh ${isa} $<TARGET_OBJECTS:tashika_cpu_${isa}>
    COMMAND_EXPAND_LISTS)
  set_tests_properties(isa_symbols_${isa} PROPERTIES LABELS house)
endforeach()

# The public library: its own tests see the shared library and include/tashika only.
file(GLOB api_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/api/*.cpp)
add_executable(test_api ${api_tests})
target_link_libraries(test_api PRIVATE tashika_shared GTest::gtest GTest::gtest_main)
target_compile_definitions(test_api PRIVATE TASHIKA_STANDIN="${CMAKE_SOURCE_DIR}/assets/standin/tashika-standin.gguf")
if(TASHIKA_SANITIZE)
  target_link_options(test_api PRIVATE -fsanitize=${TASHIKA_SANITIZE})
endif()
add_test(NAME api COMMAND test_api)

# An installed copy serves a project outside the tree.
if(NOT TASHIKA_SANITIZE)
  add_test(NAME install COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/install/check.sh ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}
           ${CMAKE_CXX_COMPILER})
  set_tests_properties(install PROPERTIES LABELS house)
  # It builds a project: alone, so that the others keep their cores.
  set_tests_properties(install PROPERTIES RUN_SERIAL ON)
endif()

add_test(NAME scaffolds COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/house/scaffolds.sh ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}
         ${CMAKE_CXX_COMPILER})
set_tests_properties(scaffolds PROPERTIES LABELS house)
