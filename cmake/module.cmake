# mw_module() and mw_program() declare a folder; the same words link it and are what the
# include check reads, so the table of docs/DESIGN.md section 3 is stated once, here and in
# the folders' own CMakeLists.txt.

# The last three come with the compiler and declare its instructions.
set(MW_FREESTANDING_HEADERS "assert|float|limits|stdalign|stdatomic|stdbool|stddef|stdint|string|immintrin|arm_neon|arm_mve")
set(MW_WRAPPED_HEADERS "modbus|MQTT|sqlite3|cyaml|yaml|jansson|openssl")
set(MW_POISON
  "clock_gettime|gettimeofday|time|sleep|usleep|nanosleep|rand|random|getenv|printf|fprintf|puts|exit|system|popen")

# mw_module(name [FREESTANDING] SOURCES a.c… [DEPENDS folder…] [WRAPS target… IN file.c…])
function(mw_module name)
  cmake_parse_arguments(M "FREESTANDING" "" "SOURCES;DEPENDS;WRAPS;IN" ${ARGN})
  add_library(mw_${name} STATIC ${M_SOURCES})
  add_library(mw::${name} ALIAS mw_${name})
  target_include_directories(mw_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  list(TRANSFORM M_DEPENDS PREPEND mw:: OUTPUT_VARIABLE deps)
  target_link_libraries(mw_${name} PUBLIC ${deps} PRIVATE mw::flags ${M_WRAPS})
  if(NOT M_FREESTANDING)
    target_compile_definitions(mw_${name} PRIVATE _POSIX_C_SOURCE=200809L)
  endif()
  mw_check_folder("${name};${M_DEPENDS}" "${M_IN}" "${M_FREESTANDING}" TRUE)
endfunction()

# mw_program(name FOLDER folder SOURCES a.c… DEPENDS folder… [WRAPS target… IN file.c…])
# The composition: it may read clocks, wait and speak.
function(mw_program name)
  cmake_parse_arguments(M "" "FOLDER" "SOURCES;DEPENDS;WRAPS;IN" ${ARGN})
  add_executable(${name} ${M_SOURCES})
  list(TRANSFORM M_DEPENDS PREPEND mw:: OUTPUT_VARIABLE deps)
  target_link_libraries(${name} PRIVATE ${deps} mw::flags ${M_WRAPS})
  target_compile_definitions(${name} PRIVATE _POSIX_C_SOURCE=200809L MW_VERSION="${PROJECT_VERSION}")
  # What the linker took, and from where: the bill of materials is written from it.
  target_link_options(${name} PRIVATE "LINKER:-Map=$<TARGET_FILE:${name}>.map")
  mw_check_folder("${M_FOLDER};${M_DEPENDS}" "${M_IN}" FALSE FALSE)
endfunction()

# Stops the configure step when a file of this folder knows more than it may.
function(mw_check_folder folders adapters freestanding poisoned)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.[ch])
  list(JOIN folders "|" allowed)
  foreach(file IN LISTS files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(base ${file} NAME)
    file(STRINGS ${file} lines REGEX "^[ \t]*#[ \t]*include|[^a-zA-Z0-9_.>](${MW_POISON})[ ]?\\(")
    foreach(line IN LISTS lines)
      mw_judge_line("${line}" "${base}" "${allowed}" "${adapters}" "${freestanding}" "${poisoned}" sin)
      if(sin)
        message(SEND_ERROR "${file}:\n  ${line}\n  ${sin}")
      endif()
    endforeach()
  endforeach()
endfunction()

function(mw_judge_line line base allowed adapters freestanding poisoned ret_sin)
  set(sin "")
  if(NOT line MATCHES "^[ \t]*#[ \t]*include")
    # A comment may name what the code may not call.
    if(poisoned AND NOT line MATCHES "^[ \t]*(//|/?\\*)")
      set(sin "clock, randomness, environment and output come in as arguments")
    endif()
  elseif(line MATCHES "\"" AND NOT line MATCHES "\"(${allowed})/[a-z0-9_]+\\.h\"")
    set(sin "may include only: ${allowed}")
  elseif(line MATCHES "<(${MW_WRAPPED_HEADERS})" AND NOT base IN_LIST adapters)
    set(sin "this library is seen only by: ${adapters}")
  elseif(freestanding AND line MATCHES "<" AND NOT line MATCHES "<(${MW_FREESTANDING_HEADERS})\\.h>")
    set(sin "also runs on a bare Cortex-M: freestanding headers only")
  endif()
  set(${ret_sin} "${sin}" PARENT_SCOPE)
endfunction()
