# The engine for other people's firmware and programs: the component engine-dev of the installation,
# which is the Debian package millwright-engine-dev.
add_library(millwright_engine STATIC $<TARGET_OBJECTS:mw_base> $<TARGET_OBJECTS:mw_inference>)
configure_file(cmake/millwright-engine.pc.in millwright-engine.pc @ONLY)
install(TARGETS millwright_engine ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT engine-dev)
install(FILES ${PROJECT_BINARY_DIR}/millwright-engine.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT engine-dev)
install(DIRECTORY base inference DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/millwright-engine
  COMPONENT engine-dev FILES_MATCHING PATTERN "*.h" PATTERN "example" EXCLUDE)
