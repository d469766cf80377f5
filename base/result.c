/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"

const char *mw_result_text(int result)
{
    if (result >= 0)
        return "ok";
    switch ((enum mw_result)result) {
    case MW_OK: return "ok";
    case MW_ERR_INVALID: return "breaks a rule";
    case MW_ERR_FORMAT: return "malformed";
    case MW_ERR_UNSUPPORTED: return "not supported";
    case MW_ERR_TOO_BIG: return "exceeds a limit";
    case MW_ERR_NO_SPACE: return "no space left";
    case MW_ERR_IO: return "input/output error";
    case MW_ERR_TIMEOUT: return "no answer in time";
    case MW_ERR_GONE: return "gone";
    case MW_ERR_NOT_FOUND: return "not found";
    case MW_ERR_AGAIN: return "not yet";
    case MW_ERR_REFUSED: return "refused";
    case MW_ERR_CORRUPT: return "corrupt";
    case MW_ERR_NO_MEMORY: return "out of memory";
    case MW_ERR_CHECKSUM: return "checksum differs";
    case MW_ERR_MISMATCH: return "answer to another question";
    case MW_ERR_STATE: return "not allowed now";
    }
    return "unknown result";
}
