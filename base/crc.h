/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-16 of Modbus RTU and CRC-32 of stored blocks. */
#ifndef MW_BASE_CRC_H
#define MW_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Modbus over Serial Line V1.02, section 6.2.2: polynomial 0xA001 reflected, start 0xFFFF. The low
 * byte goes on the wire first. */
uint16_t mw_crc16_modbus(const uint8_t *bytes, size_t n);

/* ISO 3309 / IEEE 802.3, as zlib's crc32(); "123456789" gives 0xCBF43926. */
uint32_t mw_crc32(const uint8_t *bytes, size_t n);

#endif
