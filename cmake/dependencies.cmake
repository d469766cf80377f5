# Every third-party package, found once. Debian's names are in the error, since that is what to do.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(mw_require target module package)
  pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} is missing: apt install ${package}")
  endif()
endfunction()

mw_require(MODBUS "libmodbus>=3.1.6" libmodbus-dev)
mw_require(SQLITE "sqlite3>=3.40" libsqlite3-dev)
mw_require(CYAML "libcyaml>=1.3.1" libcyaml-dev)
mw_require(YAML "yaml-0.1" libyaml-dev)
mw_require(SYSTEMD "libsystemd>=252" libsystemd-dev)
mw_require(SECCOMP "libseccomp>=2.5" libseccomp-dev)
mw_require(JANSSON "jansson>=2.14" libjansson-dev)
mw_require(CRYPTO "libcrypto>=3.0" libssl-dev)
mw_require(SSL "libssl>=3.0" libssl-dev)

# Paho ships no pkg-config file.
find_library(PAHO_LIBRARY paho-mqtt3as)
find_path(PAHO_INCLUDE_DIR MQTTAsync.h)
if(NOT PAHO_LIBRARY OR NOT PAHO_INCLUDE_DIR)
  message(FATAL_ERROR "Eclipse Paho MQTT C is missing: apt install libpaho-mqtt-dev")
endif()
add_library(mw_paho INTERFACE)
add_library(Paho::MQTTAsync ALIAS mw_paho)
target_include_directories(mw_paho SYSTEM INTERFACE ${PAHO_INCLUDE_DIR})
target_link_libraries(mw_paho INTERFACE ${PAHO_LIBRARY})

if(MW_TESTS)
  mw_require(CHECK "check>=0.15" check)
endif()

# Newer than Debian 12's: a raw request with a transaction number of its own.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::MODBUS)
check_symbol_exists(modbus_send_raw_request_tid modbus.h MW_MODBUS_NUMBERS_TRANSACTIONS)
unset(CMAKE_REQUIRED_LIBRARIES)
