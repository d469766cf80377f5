/* SPDX-License-Identifier: Apache-2.0 */
/* All that the example wants of a board. */
#ifndef BOARD_H
#define BOARD_H

void board_print(const char *text);

#endif
