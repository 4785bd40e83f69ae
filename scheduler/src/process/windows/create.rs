//! `SuspendedProcess`: a process that is in a job object from its creation, inherits exactly the given handles, and doesn't
//! run until it is resumed.

#![expect(unsafe_code, reason = "the standard library starts processes immediately, with every inheritable handle")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::process::Command;
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Console::GetConsoleCP;
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, CreateProcessW,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_INFORMATION, ResumeThread,
    STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

/// A process that has not started to run.
#[derive(Debug)]
pub(super) struct SuspendedProcess {
    pub(super) process: OwnedHandle,
    thread: OwnedHandle,
    pub(super) id: u32,
}

/// The handles that a process inherits. Each is inheritable, and listed once.
#[derive(Debug)]
pub(super) struct InheritedHandles<'a> {
    /// Standard input, output and error. The process may close each of them, so no two are the same handle.
    pub(super) standard: [BorrowedHandle<'a>; 3],
    pub(super) others: [BorrowedHandle<'a>; 2],
}

impl SuspendedProcess {
    /// Creates the process of `command`. Only its program, arguments, environment and working directory are used.
    ///
    /// The process is created in the job object: if it were assigned afterwards, it would outlive a parent that is killed
    /// in between.
    pub(super) fn create(
        command: &Command,
        object: BorrowedHandle<'_>,
        inherited: &InheritedHandles<'_>,
    ) -> io::Result<Self> {
        let program = wide(command.get_program())?;
        let mut line = command_line(command)?;
        let environment = environment(command)?;
        let folder = command.get_current_dir().map(|folder| wide(folder.as_os_str())).transpose()?;
        let [stdin, stdout, stderr] = inherited.standard.map(|handle| handle.as_raw_handle());
        let [a, b] = inherited.others.map(|handle| handle.as_raw_handle());
        let (handles, objects) = ([stdin, stdout, stderr, a, b], [object.as_raw_handle()]);
        let mut attributes = AttributeList::new(2)?;
        attributes.add(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &handles)?;
        attributes.add(PROC_THREAD_ATTRIBUTE_JOB_LIST, &objects)?;
        let mut startup = STARTUPINFOEXW::default();
        startup.StartupInfo.cb = u32::try_from(size_of::<STARTUPINFOEXW>()).expect("a structure is small");
        startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
        startup.StartupInfo.hStdInput = stdin;
        startup.StartupInfo.hStdOutput = stdout;
        startup.StartupInfo.hStdError = stderr;
        startup.lpAttributeList = attributes.list();
        // In a process group of its own it doesn't receive a Ctrl-C at the console: the parent decides what to do.
        let flags = CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT;
        let mut made = PROCESS_INFORMATION::default();
        // SAFETY: The strings are NUL-terminated, the command line is writable, and the structures outlive the call.
        let created = unsafe {
            CreateProcessW(
                program.as_ptr(),
                line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                1,
                flags | EXTENDED_STARTUPINFO_PRESENT | window(),
                environment.as_ptr().cast(),
                folder.as_ref().map_or(ptr::null(), Vec::as_ptr),
                (&raw const startup).cast(),
                &raw mut made,
            )
        };
        if created == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The handles are new, and owned by nothing else.
        let own = |handle: HANDLE| unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { process: own(made.hProcess), thread: own(made.hThread), id: made.dwProcessId })
    }

    /// Starts its thread.
    pub(super) fn resume(self) -> io::Result<OwnedHandle> {
        // SAFETY: The thread's handle is open.
        match unsafe { ResumeThread(self.thread.as_raw_handle()) } {
            u32::MAX => Err(io::Error::last_os_error()),
            _ => Ok(self.process),
        }
    }
}

/// Returns the flag that prevents a console window from being shown. A job shares the parent's console, if there is one,
/// and can print there.
fn window() -> u32 {
    // SAFETY: The call has no preconditions. Without a console there is no code page.
    if unsafe { GetConsoleCP() } == 0 { CREATE_NO_WINDOW } else { 0 }
}

/// A list of process attributes whose values are handles.
struct AttributeList<'a> {
    list: Vec<usize>,
    handles: PhantomData<&'a [HANDLE]>,
}

impl<'a> AttributeList<'a> {
    /// Returns an empty list with room for `count` attributes.
    fn new(count: u32) -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: Without a list, the call returns the size that one needs.
        unsafe { InitializeProcThreadAttributeList(ptr::null_mut(), count, 0, &raw mut size) };
        let mut list = vec![0_usize; size.div_ceil(size_of::<usize>()).max(1)];
        // SAFETY: The list has the required size.
        if unsafe { InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), count, 0, &raw mut size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { list, handles: PhantomData })
    }

    fn add(&mut self, attribute: u32, handles: &'a [HANDLE]) -> io::Result<()> {
        let (attribute, size) = (attribute as usize, size_of_val(handles));
        // SAFETY: The list is initialized, and borrows the handles for its whole life.
        let updated = unsafe {
            let value = handles.as_ptr().cast();
            UpdateProcThreadAttribute(self.list(), 0, attribute, value, size, ptr::null_mut(), ptr::null())
        };
        if updated == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn list(&mut self) -> *mut core::ffi::c_void {
        self.list.as_mut_ptr().cast()
    }
}

impl Drop for AttributeList<'_> {
    fn drop(&mut self) {
        // SAFETY: The list is initialized.
        unsafe { DeleteProcThreadAttributeList(self.list.as_mut_ptr().cast()) };
    }
}

fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = text.encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the command contains a NUL character"));
    }
    wide.push(0);
    Ok(wide)
}

/// Returns a command line that the C runtime of the new process splits into the same arguments.
fn command_line(command: &Command) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    for text in std::iter::once(command.get_program()).chain(command.get_args()) {
        if !line.is_empty() {
            line.push(u16::from(b' '));
        }
        quote(text, &mut line);
    }
    if line.contains(&0) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "an argument of the command contains a NUL character"));
    }
    line.push(0);
    Ok(line)
}

/// Appends a quoted argument. A backslash is literal unless a quotation mark follows.
fn quote(text: &OsStr, line: &mut Vec<u16>) {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    line.push(QUOTE);
    let mut backslashes = 0;
    for unit in text.encode_wide() {
        if unit == QUOTE {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

/// Returns the environment of this process with the changes of `command`, sorted as the kernel requires.
fn environment(command: &Command) -> io::Result<Vec<u16>> {
    // Names are case-insensitive.
    let key = |name: &OsStr| name.to_string_lossy().to_uppercase();
    let mut variables: BTreeMap<String, (OsString, OsString)> =
        std::env::vars_os().map(|(name, value)| (key(&name), (name, value))).collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => drop(variables.insert(key(name), (name.to_owned(), value.to_owned()))),
            None => drop(variables.remove(&key(name))),
        }
    }
    let mut block = Vec::new();
    for (name, value) in variables.values() {
        block.extend(name.encode_wide());
        block.push(u16::from(b'='));
        block.extend(wide(value)?);
    }
    // An empty block ends with two NULs as well.
    block.extend(if block.is_empty() { &[0, 0][..] } else { &[0] });
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::windows::io::AsHandle;
    use std::time::Duration;

    use super::*;
    use crate::clock::Deadline;
    use crate::process::windows::job_object::JobObject;
    use crate::process::windows::pipe::inheritable;
    use crate::process::windows::process_query::has_exited;

    #[test]
    fn a_suspended_process_is_in_its_job_object_and_is_killed_with_it() {
        let object = JobObject::new().expect("one can be made");
        let null = File::open("NUL").expect("it is everywhere");
        let null = || inheritable(null.as_handle()).expect("it is open");
        let nulls: [OwnedHandle; 5] = std::array::from_fn(|_| null());
        let [stdin, stdout, stderr, a, b] = nulls.each_ref().map(AsHandle::as_handle);
        let inherited = InheritedHandles { standard: [stdin, stdout, stderr], others: [a, b] };
        let shell = Command::new(std::env::var_os("ComSpec").expect("Windows says where its shell is"));
        let made = SuspendedProcess::create(&shell, object.as_handle(), &inherited).expect("the shell can be started");
        assert_eq!(object.processes().expect("they can be listed"), [made.id]);
        assert!(!has_exited(made.id));
        drop(object);
        let deadline = Deadline::after(Duration::from_secs(30));
        while !has_exited(made.id) {
            assert!(!deadline.is_past(), "it outlives its job object");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_argument_is_quoted_as_the_c_runtime_parses_it() {
        let quoted = |text: &str| {
            let mut line = Vec::new();
            quote(OsStr::new(text), &mut line);
            String::from_utf16(&line).expect("it was text")
        };
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("a b"), r#""a b""#);
        assert_eq!(quoted(r"C:\folder\"), r#""C:\folder\\""#);
        assert_eq!(quoted(r#"say "no""#), r#""say \"no\"""#);
        assert_eq!(quoted(r#"\\""#), r#""\\\\\"""#);
    }

    #[test]
    fn names_of_environment_variables_are_case_insensitive() {
        let mut command = Command::new("program");
        command.env("path", "here").env_remove("NO_SUCH_VARIABLE").env("__A", "1");
        let block = String::from_utf16(&environment(&command).expect("no NUL is in it")).expect("it was text");
        let variables: Vec<_> = block.split('\0').collect();
        assert_eq!(variables.iter().filter(|variable| variable.to_uppercase().starts_with("PATH=")).count(), 1);
        assert!(variables.contains(&"path=here") && variables.contains(&"__A=1"), "{variables:?}");
        assert!(block.ends_with("\0\0"));
    }
}
