# mw_test(unit/fieldbus/plan fieldbus [folder…]): one Check program per test file, one CTest.
# The file is tests/<path>.c; the folders are the modules it links.
function(mw_test path)
  string(REPLACE "/" "-" name ${path})
  add_executable(test-${name} ${PROJECT_SOURCE_DIR}/tests/${path}.c)
  list(TRANSFORM ARGN PREPEND mw:: OUTPUT_VARIABLE deps)
  target_include_directories(test-${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test-${name} PRIVATE ${deps} mw::flags mw::test_support
    PkgConfig::CHECK Threads::Threads)
  target_compile_definitions(test-${name} PRIVATE _POSIX_C_SOURCE=200809L
    MW_SOURCE_DIR="${PROJECT_SOURCE_DIR}" MW_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  if(CMAKE_SIZEOF_VOID_P EQUAL 4)
    # The slow references count in 64 bits here, elsewhere in 128: what does not fit must not pass.
    target_compile_options(test-${name} PRIVATE
      -fsanitize=signed-integer-overflow -fsanitize-undefined-trap-on-error)
  endif()
  set_target_properties(test-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${path} COMMAND test-${name})
  mw_test_environment(${path})
endfunction()

# mw_script(system/outage [LABELS slow]…): tests/<path>.py or .sh run with the programs' folder
# as its first argument. Exit status 77 is "skipped", and the script says why.
function(mw_script path)
  if(EXISTS ${PROJECT_SOURCE_DIR}/tests/${path}.py)
    add_test(NAME ${path} COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/${path}.py
      ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
  else()
    add_test(NAME ${path} COMMAND sh ${PROJECT_SOURCE_DIR}/tests/${path}.sh
      ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
  endif()
  mw_test_environment(${path})
  if(ARGN)
    set_tests_properties(${path} PROPERTIES ${ARGN})
  endif()
endfunction()

# mw_case(name system/script function…): one fault and what must follow, as a test of its own
# (docs/CASES.md): these functions of the script, which leaves them out when it runs by itself.
function(mw_case name script)
  add_test(NAME case/${name} COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/${script}.py
    ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${ARGN})
  mw_test_environment(case/${name})
endfunction()

# mw_fuzz(tflite inference [folder…]): tests/fuzz/<name>.c holds LLVMFuzzerTestOneInput.
# Everywhere: a program that replays tests/fuzz/corpus/<name> and seeded mutations of it, as a
# CTest. With MW_FUZZ and clang: fuzz-<name>, the libFuzzer program itself.
function(mw_fuzz name)
  list(TRANSFORM ARGN PREPEND mw:: OUTPUT_VARIABLE deps)
  add_executable(replay-${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}.c
    ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c)
  target_link_libraries(replay-${name} PRIVATE ${deps} mw::flags)
  target_compile_definitions(replay-${name} PRIVATE _POSIX_C_SOURCE=200809L)
  set_target_properties(replay-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME fuzz/${name} COMMAND replay-${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  mw_test_environment(fuzz/${name})
  if(MW_FUZZ)
    add_executable(fuzz-${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}.c)
    target_compile_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz-${name} PRIVATE ${deps} mw::flags)
    target_compile_definitions(fuzz-${name} PRIVATE _POSIX_C_SOURCE=200809L)
  endif()
endfunction()

function(mw_test_environment test)
  set(environment "MW_SHARED=${PROJECT_SOURCE_DIR}/../shared")
  if(MW_SANITIZE MATCHES "address")
    # A forked Check test hides leaks and deaths from the sanitizers.
    list(APPEND environment "CK_FORK=no" "UBSAN_OPTIONS=print_stacktrace=1")
    list(APPEND environment
      "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0")
  endif()
  # A call that the sandbox forgot ends the daemon. Sanitizers and gcov make calls of their own.
  set(sandbox kill)
  if(MW_SANITIZE OR MW_COVERAGE)
    set(sandbox off)
  endif()
  set(limit_s 300)
  set(check_limit_s 120)
  if(CMAKE_CROSSCOMPILING)
    # Under qemu-user time says little: scripts that judge it leave that out. It has no seccomp.
    list(APPEND environment "MW_EMULATED=1")
    set(sandbox off)
    set(limit_s 3600)
    set(check_limit_s 3000)
  endif()
  list(APPEND environment "CK_DEFAULT_TIMEOUT=${check_limit_s}" "MILLWRIGHT_SANDBOX=${sandbox}")
  set_tests_properties(${test} PROPERTIES ENVIRONMENT "${environment}" SKIP_RETURN_CODE 77
    TIMEOUT ${limit_s})
endfunction()
