# cmake --install: the program, both libraries, headers, a CMake package, pkg-config, the built-in model, completions and
# man pages.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS tashika RUNTIME)
install(TARGETS tashika_shared EXPORT tashika LIBRARY NAMELINK_COMPONENT development)
install(TARGETS tashika_static EXPORT tashika ARCHIVE)
install(DIRECTORY include/tashika TYPE INCLUDE)
install(DIRECTORY assets/standin/ DESTINATION ${CMAKE_INSTALL_DATADIR}/tashika FILES_MATCHING PATTERN "*.gguf")
install(FILES LICENSE TYPE DOC)

set_target_properties(tashika_shared PROPERTIES EXPORT_NAME tashika)
set_target_properties(tashika_static PROPERTIES EXPORT_NAME static)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tashika)
install(EXPORT tashika NAMESPACE tashika:: DESTINATION ${package} FILE tashikaTargets.cmake)
configure_package_config_file(cmake/tashikaConfig.cmake.in generated/tashikaConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(generated/tashikaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/tashikaConfig.cmake ${CMAKE_BINARY_DIR}/generated/tashikaConfigVersion.cmake
        DESTINATION ${package})

configure_file(cmake/tashika.pc.in generated/tashika.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/generated/tashika.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
