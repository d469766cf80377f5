# ARMv7-A Linux, hard float (Debian: gcc-arm-linux-gnueabihf), programs run by qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
if(MW_SYSROOT)
  set(MW_TRIPLET arm-linux-gnueabihf)
  set(MW_LOADER ld-linux-armhf.so.3)
  include(${CMAKE_CURRENT_LIST_DIR}/sysroot.cmake)
endif()
