/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <stdio.h>

void board_print(const char *text)
{
    fputs(text, stdout);
}
