# For programs of the host kind on the target's own libraries: MW_SYSROOT is a tree of Debian packages
# (tests/arm/run makes one). Included by the toolchain files where it is set.
set(CMAKE_SYSROOT ${MW_SYSROOT})
set(CMAKE_FIND_ROOT_PATH ${MW_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE ${MW_TRIPLET})
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${MW_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${MW_SYSROOT}/usr/lib/${MW_TRIPLET}/pkgconfig:${MW_SYSROOT}/usr/share/pkgconfig)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MW_SYSROOT)
# So that the programs run wherever they are started from: loader and libraries are the sysroot's.
string(CONCAT CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,--dynamic-linker=${MW_SYSROOT}/lib/${MW_LOADER}"
  " -Wl,--disable-new-dtags,-rpath,${MW_SYSROOT}/lib/${MW_TRIPLET}:${MW_SYSROOT}/usr/lib/${MW_TRIPLET}")
