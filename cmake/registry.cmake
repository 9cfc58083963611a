# Generated registries: each file of a folder defines one constant named after itself, and this
# writes the list of them. A missing or doubled definition is a link error; no static initialisers,
# no second table.
#
#   tashika_registry(OUT quant_formats.cpp TYPE "DTypeInfo" NAMESPACE tashika
#                    LIST "quant_formats" HEADER "quant/formats.h" GLOB quant/*.h [INCLUDE_EACH] [EXCLUDE formats.h])
#
# gives  `std::span<const TYPE* const> LIST()`  over the constants. With INCLUDE_EACH the constant
# is in the header itself; without it is declared extern.
function(tashika_registry)
  cmake_parse_arguments(ARG "INCLUDE_EACH" "OUT;TYPE;NAMESPACE;LIST;HEADER;PREFIX;FOLDER" "GLOB;EXCLUDE" ${ARGN})
  set(files)
  foreach(pattern ${ARG_GLOB})
    file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
    list(APPEND files ${found})
  endforeach()
  list(SORT files)
  set(includes "")
  set(externs "")
  set(items "")
  foreach(file ${files})
    get_filename_component(base ${file} NAME)
    get_filename_component(stem ${file} NAME_WE)
    if(base IN_LIST ARG_EXCLUDE)
      continue()
    endif()
    if(ARG_INCLUDE_EACH)
      string(APPEND includes "#include \"${file}\"\n")
    else()
      string(APPEND externs "extern const ${ARG_TYPE} ${ARG_PREFIX}${stem};\n")
    endif()
    string(APPEND items "    &${ARG_PREFIX}${stem},\n")
  endforeach()
  set(text "// Generated from the listing of ${ARG_GLOB}. Do not edit.\n#include \"${ARG_HEADER}\"\n${includes}\nnamespace ${ARG_NAMESPACE} {\n\n${externs}\nnamespace {\nconst ${ARG_TYPE}* const records[] = {\n${items}    nullptr,\n};\n}  // namespace\n\nstd::span<const ${ARG_TYPE}* const> ${ARG_LIST}() { return {records, sizeof records / sizeof records[0] - 1}; }\n\n}  // namespace ${ARG_NAMESPACE}\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${ARG_OUT} CONTENT "${text}" @ONLY)
endfunction()
