# generated/version.h: what --version prints. Written at build time, and only when it changes: a new commit rebuilds the
# two files that include it.
set(version_command ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR} -DOUT=${CMAKE_BINARY_DIR}/generated/version.h
    -DVERSION=${PROJECT_VERSION} "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    -P ${CMAKE_SOURCE_DIR}/cmake/write_version.cmake)
execute_process(COMMAND ${version_command})
add_custom_target(tashika_version COMMAND ${version_command} BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/version.h VERBATIM)
