//! The filter of kernel calls that bubblewrap loads before it starts a test: a small program for the kernel's BPF machine.
//!
//! Written here rather than with the crate `seccompiler`, whose filters have one answer to all that they deny and cannot
//! say that numbers above the last known one (among them the x32 calls, the same calls once more) do not exist.

use super::syscalls::{ABSENT, CLONE, Call, DENIED, IOCTL, LAST, Machine, PERSONALITY, SOCKET};

const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const EPERM: u32 = 0x0005_0000 | 1;
const ENOSYS: u32 = 0x0005_0000 | 38;
const EAFNOSUPPORT: u32 = 0x0005_0000 | 97;

/// Where the kernel puts the call's number, the machine, and the lower halves of the first two arguments.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

/// `AF_UNIX`, `AF_INET`, `AF_INET6`, `AF_NETLINK`.
const FAMILIES: [u32; 4] = [1, 2, 10, 16];
/// All `CLONE_NEW…` flags of `clone`: cgroup, UTS, IPC, user, PID and network namespaces, and mounts.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// Linux, `uname26` and the 32-bit kernel, as Docker has them; without random addresses (debuggers and sanitizers); a question.
const PERSONALITIES: [u32; 6] = [0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff];
/// `TIOCSTI` and `TIOCLINUX`, which type into a terminal.
const TYPING: [u32; 2] = [0x5412, 0x541c];

/// One instruction: code, jumps if true and if false, operand.
type Instruction = (u16, u8, u8, u32);

/// The filter as bubblewrap reads it; `None` for a machine whose calls are not known.
pub(super) fn filter() -> Option<Vec<u8>> {
    let bytes = |(code, yes, no, operand): Instruction| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([yes, no]);
        bytes.extend(operand.to_ne_bytes());
        bytes
    };
    Machine::here().map(|machine| program(machine).into_iter().flat_map(bytes).collect())
}

fn program(machine: Machine) -> Vec<Instruction> {
    let mut program = vec![
        (LOAD, 0, 0, MACHINE),
        (IF_EQUAL, 1, 0, machine.audit()),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 0, 1, LAST + 1),
        (RETURN, 0, 0, ENOSYS),
    ];
    for (calls, answer) in [(DENIED, EPERM), (ABSENT, ENOSYS)] {
        for number in calls.iter().filter_map(|call| machine.number(call)) {
            program.extend([(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]);
        }
    }
    let equal = |value: &u32| (IF_EQUAL, *value);
    only(&mut program, machine, &SOCKET, FIRST, &FAMILIES.each_ref().map(equal), (ALLOW, EAFNOSUPPORT));
    only(&mut program, machine, &PERSONALITY, FIRST, &PERSONALITIES.each_ref().map(equal), (ALLOW, EPERM));
    only(&mut program, machine, &CLONE, FIRST, &[(IF_ANY_BIT, NEW_NAMESPACES)], (EPERM, ALLOW));
    only(&mut program, machine, &IOCTL, SECOND, &TYPING.each_ref().map(equal), (EPERM, ALLOW));
    program.push((RETURN, 0, 0, ALLOW));
    program
}

/// For this call: the first answer if one of the tests holds of the argument, else the second.
fn only(
    program: &mut Vec<Instruction>,
    machine: Machine,
    call: &Call,
    argument: u32,
    tests: &[(u16, u32)],
    (answer, other): (u32, u32),
) {
    let Some(number) = machine.number(call) else { return };
    let length = u8::try_from(tests.len() * 2 + 2).unwrap_or(u8::MAX);
    program.extend([(IF_EQUAL, 0, length, number), (LOAD, 0, 0, argument)]);
    for &(test, value) in tests {
        program.extend([(test, 0, 1, value), (RETURN, 0, 0, answer)]);
    }
    program.push((RETURN, 0, 0, other));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does.
    fn answer(machine: Machine, audit: u32, number: u32, first: u32, second: u32) -> u32 {
        let program = program(machine);
        let (mut at, mut value) = (0, 0);
        loop {
            let (code, yes, no, operand) = program[at];
            at += 1;
            let holds = match code {
                LOAD => {
                    value = match operand {
                        NUMBER => number,
                        MACHINE => audit,
                        FIRST => first,
                        SECOND => second,
                        other => panic!("offset {other}"),
                    };
                    continue;
                }
                RETURN => return operand,
                IF_EQUAL => value == operand,
                IF_AT_LEAST => value >= operand,
                IF_ANY_BIT => value & operand != 0,
                other => panic!("code {other}"),
            };
            at += usize::from(if holds { yes } else { no });
        }
    }

    #[test]
    fn each_call_has_its_answer_on_both_machines() {
        for (machine, read, keyctl, socket, clone) in
            [(Machine::X86_64, 0, 250, 41, 56), (Machine::Aarch64, 63, 219, 198, 220)]
        {
            let ask = |number, first| answer(machine, machine.audit(), number, first, 0);
            assert_eq!(ask(read, 0), ALLOW);
            assert_eq!(ask(keyctl, 0), EPERM);
            assert_eq!(ask(425, 0), ENOSYS, "io_uring_setup");
            assert_eq!(ask(435, 0), ENOSYS, "clone3");
            assert_eq!(ask(467, 0), ENOSYS, "a call of a later kernel");
            assert_eq!(ask(0x4000_0000, 0), ENOSYS, "x32");
            assert_eq!(ask(socket, 1), ALLOW, "AF_UNIX");
            assert_eq!(ask(socket, 40), EAFNOSUPPORT, "AF_VSOCK");
            assert_eq!(ask(socket, 38), EAFNOSUPPORT, "AF_ALG");
            assert_eq!(ask(clone, 0x11), ALLOW, "fork");
            assert_eq!(ask(clone, 0x1000_0011), EPERM, "a user namespace");
            assert_eq!(answer(machine, 0x4000_0003, read, 0, 0), KILL, "32-bit calls");
            for call in DENIED.iter().filter_map(|call| Some((call.0, machine.number(call)?))) {
                assert_eq!(ask(call.1, 0), EPERM, "{}", call.0);
            }
        }
        let x86 = |number, first, second| answer(Machine::X86_64, 0xc000_003e, number, first, second);
        assert_eq!((x86(16, 0, 0x5412), x86(16, 0, 0x5413)), (EPERM, ALLOW), "TIOCSTI, TIOCGWINSZ");
        assert_eq!((x86(135, 0xffff_ffff, 0), x86(135, 0x40_0000, 0)), (ALLOW, EPERM), "personality");
    }
}
