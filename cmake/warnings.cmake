# mw::flags: what every target of ours is compiled with. Third-party code never sees it.
add_library(mw_flags INTERFACE)
add_library(mw::flags ALIAS mw_flags)

target_compile_options(mw_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion
  -Wformat=2 -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wcast-align -Wcast-qual -Wpointer-arith -Wwrite-strings -Wswitch-enum -Wvla
  -Wimplicit-fallthrough -Wnull-dereference
  $<$<C_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init>
  -fno-common
  # The same bits on every processor: no fused multiply-add, and sqrtf is one instruction.
  -ffp-contract=off -fno-math-errno
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# Debian 12's armhf keeps time in 32 bits, which end in January 2038, unless it is asked: daemon/clock.c
# insists. No library hands us a time_t or an off_t, so that this is ours alone.
if(MW_HOST AND CMAKE_SIZEOF_VOID_P EQUAL 4)
  target_compile_definitions(mw_flags INTERFACE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
endif()

if(MW_WERROR)
  target_compile_options(mw_flags INTERFACE -Werror)
endif()

if(MW_SANITIZE)
  target_compile_options(mw_flags INTERFACE
    -fsanitize=${MW_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(mw_flags INTERFACE -fsanitize=${MW_SANITIZE})
endif()

if(MW_COVERAGE)
  target_compile_options(mw_flags INTERFACE --coverage)
  target_link_options(mw_flags INTERFACE --coverage)
endif()

if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT MW_SANITIZE AND MW_HOST)
  target_compile_options(mw_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  target_link_options(mw_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
