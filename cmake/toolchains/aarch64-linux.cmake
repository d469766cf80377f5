# 64-bit Arm Linux (Debian: gcc-aarch64-linux-gnu), programs run by qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
if(MW_SYSROOT)
  set(MW_TRIPLET aarch64-linux-gnu)
  set(MW_LOADER ld-linux-aarch64.so.1)
  include(${CMAKE_CURRENT_LIST_DIR}/sysroot.cmake)
endif()
