# The layout's own checks, as tests with the label `house`: they read the tree, and need bash, awk and nm.
foreach(check layers names ops sizes)
  add_test(NAME ${check} COMMAND bash ${CMAKE_SOURCE_DIR}/tools/checks/${check}.sh ${CMAKE_SOURCE_DIR})
  set_tests_properties(${check} PROPERTIES LABELS house)
endforeach()

# No symbol of an instruction set's objects outside its namespace: the linker could keep its copy for everyone.
foreach(isa scalar avx2 avx512 avx512vnni)
  add_test(NAME isa_symbols_${isa}
    COMMAND ${CMAKE_SOURCE_DIR}/tools/checks/isa_symbols.sh ${isa} $<TARGET_OBJECTS:tashika_cpu_${isa}>
    COMMAND_EXPAND_LISTS)
  set_tests_properties(isa_symbols_${isa} PROPERTIES LABELS house)
endforeach()
