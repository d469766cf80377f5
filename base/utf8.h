/* SPDX-License-Identifier: Apache-2.0 */
/* Text that people and other programs can read: names of channels and machines end in JSON. */
#ifndef MW_BASE_UTF8_H
#define MW_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the UTF-8 sequence at s, 1 to 4, or 0 where it is none (Unicode 15, table 3-7). s ends
 * with a NUL, which is a sequence of its own: nothing is read behind it. */
static inline size_t mw_utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    unsigned char low = 0x80, high = 0xbf;
    switch (s[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (s[1] < low || s[1] > high)
        return 0;
    size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

#endif
