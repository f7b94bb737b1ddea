//! Changing the stack: the few instructions that no language has.
//!
//! What a call must preserve is pushed, the stack pointer is exchanged, and the same is popped from the other stack.
//! The registers are those of the System V ABI for x86-64 (section 3.2.1) and of the procedure call standard for the
//! Arm 64-bit architecture (section 6.1). Modes of the floating-point units are nobody's to change, so they stay.

use std::arch::naked_asm;

/// Stops here, so that a later call with what is written to `from` goes on here; goes on at `to`.
///
/// # Safety
/// `from` can be written; `to` comes from an earlier call's `from` or from [`prepare`], on this thread, and was not
/// used before.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// A fiber's first instructions: its function with its argument, and no caller, so that a backtrace ends there.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!("mov rdi, rbx", "call r12", "ud2")
}

/// As for x86-64.
///
/// # Safety
/// As for x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "sub sp, sp, #160",
        "stp x19, x20, [sp, #0]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "ldp x19, x20, [sp, #0]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #160",
        "ret",
    )
}

/// As for x86-64.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!("mov x0, x19", "mov x30, xzr", "br x20")
}

/// What [`switch`] finds on a new stack, lowest address first: `(words, argument, function, first instruction)`.
#[cfg(target_arch = "x86_64")]
const SAVED: (usize, usize, usize, usize) = (9, 4, 3, 6);
#[cfg(target_arch = "aarch64")]
const SAVED: (usize, usize, usize, usize) = (20, 0, 1, 11);

/// Lays out a stack that is free below `top`, so that [`switch`] to the result calls `function` with `argument`.
///
/// # Safety
/// The memory below `top`, which is divisible by 64, is a stack that nobody uses. `function` never returns.
pub(super) unsafe fn prepare<T>(top: usize, function: extern "C" fn(*mut T) -> !, argument: *mut T) -> usize {
    let (words, argument_at, function_at, first_at) = SAVED;
    // Above what is popped on x86-64 stay two zeros: the return address of the first instructions, at an address
    // divisible by 16.
    let context = top - 8 * words;
    let mut saved = [0_usize; 20];
    saved[argument_at] = argument.expose_provenance();
    saved[function_at] = function as *const () as usize;
    saved[first_at] = first as *const () as usize;
    let base = std::ptr::with_exposed_provenance_mut::<usize>(context);
    // SAFETY: the words from `context` to `top` are the caller's promise.
    unsafe { base.copy_from_nonoverlapping(saved.as_ptr(), words) };
    context
}
