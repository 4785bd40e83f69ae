//! A seccomp listener: it receives system calls before they are carried out, and decides whether they are.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long, c_ulong, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog};

/// `_IOWR('!', 0, struct seccomp_notif)`, which the `libc` crate doesn't know.
const RECEIVE: c_ulong = request(0xc000_2100, size_of::<seccomp_notif>());
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SEND: c_ulong = request(0xc000_2101, size_of::<seccomp_notif_resp>());

#[allow(clippy::cast_possible_truncation, reason = "the size of a structure fits into 14 bits")]
const fn request(number: c_ulong, size: usize) -> c_ulong {
    number | (size as c_ulong) << 16
}

/// Never listened to: the first never returns to anywhere, and the others never return.
const UNHEARD: [c_long; 3] = [libc::SYS_rt_sigreturn, libc::SYS_exit, libc::SYS_exit_group];

/// Receives the system calls of a thread and of all that it starts.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

/// A system call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    id: u64,
    pub(crate) thread: u32,
    pub(crate) number: c_long,
    pub(crate) first_argument: u64,
}

/// Makes the calling thread, for the rest of its life, report each of these calls, or every one, before it is made; returns
/// the listener's descriptor.
///
/// From its return on, the thread blocks at such a call until it is answered.
pub(crate) fn install(calls: Option<&[c_long]>) -> io::Result<RawFd> {
    let mut program = filter(calls);
    let length = program.len().try_into().expect("the filter is short");
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    let plain = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Otherwise a signal between notification and answer would repeat the call. Linux 5.19 has this flag.
    let uninterrupted = plain | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: The program is an array of instructions, and its length is right; `prctl` takes numbers.
    unsafe {
        // Only root may listen to programs that could gain rights.
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let install =
            |flags: c_ulong| libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program);
        let mut descriptor = install(uninterrupted);
        if descriptor < 0 {
            descriptor = install(plain);
        }
        match c_int::try_from(descriptor) {
            Ok(descriptor) if descriptor >= 0 => Ok(descriptor),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn filter(calls: Option<&[c_long]>) -> Vec<sock_filter> {
    let op = |code: u32, k: u32, yes: u8, no: u8| sock_filter {
        code: code.try_into().expect("operations are small"),
        k,
        jt: yes,
        jf: no,
    };
    let number = op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
    let equals = |call: c_long, yes| {
        let call = call.try_into().expect("system calls have small numbers");
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, yes, 0)
    };
    let ret = |action| op(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    let (special, action, otherwise) = match calls {
        None => (&UNHEARD[..], libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_USER_NOTIF),
        Some(calls) => (calls, libc::SECCOMP_RET_USER_NOTIF, libc::SECCOMP_RET_ALLOW),
    };
    let mut program = vec![number];
    for (call, left) in special.iter().zip((0..special.len()).rev()) {
        // Over the comparisons that are left, and over the action for all others.
        program.push(equals(*call, (left + 1).try_into().expect("these are few")));
    }
    program.extend([ret(otherwise), ret(action)]);
    program
}

impl Listener {
    /// Takes the descriptor that [`install`] returned.
    pub(crate) fn new(descriptor: RawFd) -> Self {
        // SAFETY: It was opened for this value, and nothing else uses it.
        Self(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Returns the next call. Fails if its process is gone.
    pub(crate) fn next(&self) -> io::Result<Call> {
        // SAFETY: All-zero is valid, and what the kernel asks for.
        let mut asked: seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: The request is that of the structure.
        if unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as libc::Ioctl, &raw mut asked) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let number = c_long::from(asked.data.nr);
        Ok(Call { id: asked.id, thread: asked.pid, number, first_argument: asked.data.args[0] })
    }

    /// Lets the call be carried out, or return zero or an error in its place; returns `false` if its process is gone.
    pub(crate) fn answer(&self, call: Call, in_its_place: Option<Result<(), i32>>) -> bool {
        #[allow(clippy::useless_conversion, reason = "it has 64 bits on some processors, and 32 on others")]
        let carry_out = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).expect("a flag is a small number");
        let answer = seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: -in_its_place.and_then(Result::err).unwrap_or_default(),
            flags: if in_its_place.is_some() { 0 } else { carry_out },
        };
        // SAFETY: The request is that of the structure.
        unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as libc::Ioctl, &raw const answer) == 0 }
    }
}
