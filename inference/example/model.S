/* SPDX-License-Identifier: Apache-2.0 */
/* model.tflite and input.s8 of this folder, in flash. */
    .section .rodata.model, "a"
    .global model_file, model_file_end, model_input, model_input_end
    .balign 4
model_file:
    .incbin "model.tflite"
model_file_end:
model_input:
    .incbin "input.s8"
model_input_end:
#if defined(__ELF__) && !defined(__arm__)
    .section .note.GNU-stack, "", @progbits
#endif
