# Fuzz targets: each tests/fuzz/NAME_fuzz.cpp defines LLVMFuzzerTestOneInput, and may define LLVMFuzzerCustomMutator.
# A line "// links: io text" in it says which folders it needs.
#
# With TASHIKA_FUZZ each becomes a libFuzzer program fuzz_NAME. Otherwise all of them are linked into test_fuzz_replay,
# which runs every file of tests/fuzz/corpus/NAME through its target and fails when a corpus is empty.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
set(fuzz_links)
set(fuzz_declarations "")
set(fuzz_items "")
foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  file(STRINGS ${source} links REGEX "^// links: ")
  string(REGEX REPLACE "^// links: " "" links "${links}")
  separate_arguments(links)
  if(NOT links)
    message(FATAL_ERROR "${source}: has no line \"// links: FOLDER…\"")
  endif()
  list(TRANSFORM links PREPEND tashika_)
  if(TASHIKA_FUZZ)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE ${links} tashika_flags)
    target_include_directories(fuzz_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS
      "LLVMFuzzerTestOneInput=fuzz_input_${name};LLVMFuzzerCustomMutator=fuzz_mutator_${name};TASHIKA_FUZZ_REPLAY")
    list(APPEND fuzz_links ${links})
    string(APPEND fuzz_declarations "extern \"C\" int fuzz_input_${name}(const std::uint8_t*, std::size_t);\n")
    string(APPEND fuzz_items "    {\"${name}\", fuzz_input_${name}},\n")
  endif()
endforeach()

if(NOT TASHIKA_FUZZ AND fuzz_sources)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/fuzz_targets.cpp CONTENT
"// Generated from the listing of tests/fuzz. Do not edit.
#include \"fuzz/replay.h\"

${fuzz_declarations}
namespace {
constexpr tashika::FuzzTarget targets[] = {
${fuzz_items}};
}  // namespace

std::span<const tashika::FuzzTarget> tashika::fuzz_targets() { return targets; }
" @ONLY)
  list(REMOVE_DUPLICATES fuzz_links)
  add_executable(test_fuzz_replay ${CMAKE_CURRENT_LIST_DIR}/replay_test.cpp ${CMAKE_BINARY_DIR}/generated/fuzz_targets.cpp
                 ${fuzz_sources})
  target_include_directories(test_fuzz_replay PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(test_fuzz_replay PRIVATE ${fuzz_links} tashika_base tashika_flags GTest::gtest GTest::gtest_main)
  target_compile_definitions(test_fuzz_replay PRIVATE TASHIKA_FUZZ_CORPUS="${CMAKE_CURRENT_LIST_DIR}/corpus")
  add_test(NAME fuzz_replay COMMAND test_fuzz_replay)
endif()
