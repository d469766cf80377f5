# What the programs are made of (sbom.cdx.json, CycloneDX) and what known vulnerabilities of that mean for
# them (vex.cdx.json): written from the link maps after each link, and installed beside the documents.
if(MW_PYTHON)
  set(sbom ${PROJECT_BINARY_DIR}/sbom.cdx.json)
  set(vex ${PROJECT_BINARY_DIR}/vex.cdx.json)
  set(programs $<TARGET_FILE:millwrightd> $<TARGET_FILE:millwright>)
  set(root /)
  if(MW_SYSROOT)
    set(root ${MW_SYSROOT})
  endif()
  add_custom_command(OUTPUT ${sbom} ${vex}
    COMMAND ${MW_PYTHON} ${PROJECT_SOURCE_DIR}/cmake/sbom.py --version ${PROJECT_VERSION} --root ${root}
      --output ${sbom} ${programs}
    COMMAND ${MW_PYTHON} ${PROJECT_SOURCE_DIR}/cmake/vex.py --sbom ${sbom} --root ${root}
      --statements ${PROJECT_SOURCE_DIR}/docs/vulnerabilities.json --output ${vex} ${programs}
    DEPENDS millwrightd millwright cmake/sbom.py cmake/vex.py docs/vulnerabilities.json VERBATIM)
  add_custom_target(sbom ALL DEPENDS ${sbom} ${vex})
  install(FILES ${sbom} ${vex} DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
