//! The options of a job beside its timeout: each becomes a call of a setter.

mod time_limits;
mod values;

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::diagnostics::Diagnostics;
use crate::value;
use time_limits::MAX_TIMEOUT;
use values::{
    BACKOFF, OUTPUT, RETRY_DELAYS, VARIABLE, backoff, cause, causes_of_end, is_unseen, output, variable_name,
};

/// An option of an attribute.
pub(crate) struct OptionSpec<T> {
    pub(crate) name: &'static str,
    /// A valid example, for messages.
    pub(crate) example: &'static str,
    pub(crate) read: fn(&mut T, TokenStream) -> syn::Result<()>,
}

/// The options of one job, in their order.
#[derive(Default)]
pub(crate) struct JobOptions {
    setters: Vec<Setter>,
    backoff: Option<(Duration, Option<Duration>)>,
    jitter: Option<(f64, Span)>,
    retry_delays: Option<(Vec<Duration>, Span)>,
    clears_env: bool,
    /// The limits on time beside the timeout, each with its name.
    time_limits: Vec<(&'static str, Duration, Span)>,
    /// How many of the two streams of output the application doesn't see.
    unseen_streams: usize,
}

/// The smallest stack that a function can have, in bytes: the runtime's limit as well.
const SMALLEST_STACK: u64 = 64 << 10;
/// The largest stack that a function can have, in bytes.
const LARGEST_STACK: u64 = 1 << 40;

/// Generates the call of a setter, given the path of the runtime crate.
type Setter = Box<dyn Fn(&TokenStream) -> TokenStream>;

/// The runtime's limit as well.
const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// The options of `#[job]`.
pub(crate) const JOB: &[OptionSpec<JobOptions>] = &[
    OptionSpec {
        name: "grace",
        example: r#"grace = "2s""#,
        read: |options, value| {
            let (grace, span) = value::duration(value)?;
            if grace > LONGEST_GRACE {
                let message = "a grace period can't be longer than an hour; write a shorter one, such as `\"2s\"`";
                return Err(syn::Error::new(span, message));
            }
            options.set(move |krate| {
                let grace = duration(grace, krate);
                quote!(.grace(#grace))
            })
        },
    },
    OptionSpec {
        name: "stall",
        example: r#"stall = "10s""#,
        read: |options, value| options.set_time_limit("stall", value),
    },
    OptionSpec {
        name: "silence",
        example: r#"silence = "5m""#,
        read: |options, value| options.set_time_limit("silence", value),
    },
    OptionSpec {
        name: "slow",
        example: r#"slow = "5s""#,
        read: |options, value| options.set_time_limit("slow", value),
    },
    OptionSpec {
        name: "max_timeout",
        example: r#"max_timeout = "5m""#,
        read: |options, value| options.set_time_limit(MAX_TIMEOUT, value),
    },
    OptionSpec {
        name: "terminate",
        example: r#"terminate = "signal""#,
        read: |options, value| {
            let expected =
                "expected `\"cooperative\"`, which the job polls, or `\"signal\"`, which sends SIGTERM as well";
            let how = value::text(value, expected)?;
            let variant = match how.value().as_str() {
                "cooperative" => quote!(Cooperative),
                "signal" => quote!(Signal),
                _ => return Err(syn::Error::new(how.span(), expected)),
            };
            options.set(move |krate| quote!(.terminate(#krate::__private::options::Terminate::#variant)))
        },
    },
    OptionSpec {
        name: "retries",
        example: "retries = 3",
        read: |options, value| {
            let retries = value::number(value, 0..=u32::MAX, "expected a number of retries, such as `3`")?;
            options.set(move |_| quote!(.retries(#retries)))
        },
    },
    OptionSpec {
        name: "backoff",
        example: r#"backoff = "100ms..10s""#,
        read: |options, value| {
            options.backoff = Some(backoff(&value::text(value, BACKOFF)?)?);
            Ok(())
        },
    },
    OptionSpec {
        name: "retry_delays",
        example: r#"retry_delays = ["1s", "1m"]"#,
        read: |options, value| {
            let span = syn::spanned::Spanned::span(&value);
            let texts = value::texts(value, RETRY_DELAYS)?;
            if texts.is_empty() {
                return Err(syn::Error::new(span, RETRY_DELAYS));
            }
            let delays = texts.iter().map(|text| value::duration_in(&text.value(), text.span()));
            options.retry_delays = Some((delays.collect::<syn::Result<_>>()?, span));
            Ok(())
        },
    },
    OptionSpec {
        name: "jitter",
        example: "jitter = 0.25",
        read: |options, value| {
            let span = syn::spanned::Spanned::span(&value);
            let expected = "expected the fraction of a backoff that is random, from `0.0` to `1.0`";
            options.jitter = Some((value::part(value, expected)?, span));
            Ok(())
        },
    },
    OptionSpec {
        name: "retry_on",
        example: r#"retry_on = ["timeout", "signal"]"#,
        read: |options, value| {
            let causes = value::texts(value, "expected causes, such as `[\"timeout\", \"signal\"]`")?;
            let causes = causes.iter().map(cause).collect::<syn::Result<Vec<_>>>()?;
            options.set(move |krate| quote!(.retry_on([#(#krate::__private::options::Cause::#causes),*])))
        },
    },
    OptionSpec {
        name: "follow_up",
        example: "follow_up = analyse",
        read: |options, value| {
            let job = value::job_path(value)?;

            // The error of a function with other parameters is at the path.
            options.set(move |_| {
                let span = Span::call_site().located_at(job.span());
                quote_spanned!(span=> .follow_up(#job::job))
            })
        },
    },
    OptionSpec {
        name: "follow_up_on",
        example: r#"follow_up_on = ["timeout", "signal"]"#,
        read: |options, value| {
            let causes = value::texts(value, "expected causes, such as `[\"timeout\", \"signal\"]`")?;
            let causes = causes.iter().map(causes_of_end).collect::<syn::Result<Vec<_>>>()?.concat();
            options.set(move |krate| quote!(.follow_up_on([#(#krate::__private::options::Cause::#causes),*])))
        },
    },
    OptionSpec {
        name: "memory",
        example: r#"memory = "512MiB""#,
        read: |options, value| {
            let bytes =
                some(value::bytes(value)?, "a memory limit of 0 lets no job run; write a size, such as `\"512MiB\"`")?;
            options.set(move |_| quote!(.memory(#bytes)))
        },
    },
    OptionSpec {
        name: "tree_memory",
        example: r#"tree_memory = "1GiB""#,
        read: |options, value| {
            let zero = "a limit of 0 on the memory of the whole tree lets no job run; write a size, such as `\"1GiB\"`";
            let bytes = some(value::bytes(value)?, zero)?;
            options.set(move |_| quote!(.tree_memory(#bytes)))
        },
    },
    OptionSpec {
        name: "cpus",
        example: r#"cpus = "0-3""#,
        read: |options, value| {
            let cpus = value::cpus(&value::text(value, value::CPUS)?)?;
            options.set(move |_| quote!(.cpus([#(#cpus),*])))
        },
    },
    OptionSpec {
        name: "stack_size",
        example: r#"stack_size = "64MiB""#,
        read: |options, value| {
            let zero = "a stack of 0 bytes lets no job run; write a size, such as `\"64MiB\"`";
            let (bytes, span) = value::bytes(value)?;
            let bytes = some((bytes, span), zero)?;
            if bytes < SMALLEST_STACK {
                let message = "a stack of less than 64 KiB is too small for a job; write more, such as `\"64MiB\"`";
                return Err(syn::Error::new(span, message));
            }
            if bytes > LARGEST_STACK {
                return Err(syn::Error::new(
                    span,
                    "a stack can't be larger than 1 TiB; write less, such as `\"64MiB\"`",
                ));
            }
            options.set(move |_| quote!(.stack_size(#bytes)))
        },
    },
    OptionSpec {
        name: "cpu_time",
        example: r#"cpu_time = "10s""#,
        read: |options, value| {
            let (time, span) = value::duration(value)?;
            if time.is_zero() {
                let message = "a limit on CPU time of 0 lets no job run; write a duration, such as `\"10s\"`";
                return Err(syn::Error::new(span, message));
            }
            options.set(move |krate| {
                let time = duration(time, krate);
                quote!(.cpu_time(#time))
            })
        },
    },
    OptionSpec {
        name: "open_files",
        example: "open_files = 64",
        read: |options, value| {
            let count = value::number(value, 1..=u64::MAX, "expected a number of files, such as `64`")?;
            options.set(move |_| quote!(.open_files(#count)))
        },
    },
    OptionSpec {
        name: "processes",
        example: "processes = 16",
        read: |options, value| {
            let count = value::number(value, 1..=u64::MAX, "expected a number of processes, such as `16`")?;
            options.set(move |_| quote!(.processes(#count)))
        },
    },
    OptionSpec {
        name: "file_size",
        example: r#"file_size = "1GiB""#,
        read: |options, value| {
            let (bytes, _) = value::bytes(value)?;
            options.set(move |_| quote!(.file_size(#bytes)))
        },
    },
    OptionSpec {
        name: "core_size",
        example: "core_size = 0",
        read: |options, value| {
            let (bytes, _) = value::bytes(value)?;
            options.set(move |_| quote!(.core_size(#bytes)))
        },
    },
    OptionSpec {
        name: "niceness",
        example: "niceness = 10",
        read: |options, value| {
            let niceness = value::number(value, -20..=19, "expected a niceness from `-20` to `19`")?;
            options.set(move |_| quote!(.niceness(#niceness)))
        },
    },
    OptionSpec {
        name: "env",
        example: r#"env = ["LANG=C", "DEBUG=1"]"#,
        read: |options, value| {
            for variable in value::texts(value, VARIABLE)? {
                let text = variable.value();
                let (name, value) = text.split_once('=').unwrap_or_default();
                let (name, value) = (variable_name(name, &variable, VARIABLE)?, value.to_owned());
                options.set(move |_| quote!(.env(#name, #value)))?;
            }
            Ok(())
        },
    },
    OptionSpec {
        name: "env_remove",
        example: r#"env_remove = ["HOME"]"#,
        read: |options, value| {
            let expected = "expected names of variables, such as `[\"HOME\"]`";
            for variable in value::texts(value, expected)? {
                let name = variable_name(&variable.value(), &variable, expected)?;
                options.set(move |_| quote!(.env_remove(#name)))?;
            }
            Ok(())
        },
    },
    OptionSpec {
        name: "env_clear",
        example: "env_clear = true",
        read: |options, value| {
            value::on(value, "expected `true`; leave the option out to keep the environment")?;
            options.clears_env = true;
            Ok(())
        },
    },
    OptionSpec {
        name: "current_dir",
        example: r#"current_dir = "/tmp""#,
        read: |options, value| {
            let folder = value::text(value, "expected the path of a folder, such as `\"/tmp\"`")?;
            options.set(move |_| quote!(.current_dir(#folder)))
        },
    },
    OptionSpec {
        name: "temp_dir",
        example: "temp_dir = true",
        read: |options, value| {
            let is_wanted = value::switch(value, "expected `true` or `false`")?;
            options.set(move |_| quote!(.temp_dir(#is_wanted)))
        },
    },
    OptionSpec {
        name: "setup",
        example: "setup = crate::confine",
        read: |options, value| {
            let setup = value::function(value)?;
            options.set(move |krate| {
                let setup_result = quote_spanned!(setup.span()=> #krate::__private::SetupResult::into_reason(#setup()));
                quote!(.setup(|| #setup_result))
            })
        },
    },
    OptionSpec {
        name: "stdin",
        example: r#"stdin = "data.csv""#,
        read: |options, value| {
            let file = value::text(value, "expected the path of a file, such as `\"data.csv\"`")?;
            options.set(move |krate| quote!(.stdin(#krate::__private::options::Input::file(#file))))
        },
    },
    OptionSpec {
        name: "stdout",
        example: r#"stdout = "capture""#,
        read: |options, value| options.set_output("stdout", value),
    },
    OptionSpec {
        name: "stderr",
        example: r#"stderr = "capture""#,
        read: |options, value| options.set_output("stderr", value),
    },
    OptionSpec {
        name: "group",
        example: r#"group = "db""#,
        read: |options, value| {
            let group = value::text(value, "expected the name of a group, such as `\"db\"`")?;
            options.set(move |_| quote!(.group(#group)))
        },
    },
    OptionSpec {
        name: "priority",
        example: "priority = 5",
        read: |options, value| {
            let priority = value::number(value, i32::MIN..=i32::MAX, "expected a whole number, such as `5`")?;
            options.set(move |_| quote!(.priority(#priority)))
        },
    },
    OptionSpec {
        name: "stacks",
        example: "stacks = true",
        read: |options, value| {
            let are_taken = value::switch(value, "expected `true`, to take stacks at a timeout, or `false`")?;
            options.set(move |_| quote!(.stacks(#are_taken)))
        },
    },
];

impl JobOptions {
    #[expect(clippy::unnecessary_wraps, reason = "it is the last step of reading an option")]
    fn set(&mut self, setter: impl Fn(&TokenStream) -> TokenStream + 'static) -> syn::Result<()> {
        self.setters.push(Box::new(setter));
        Ok(())
    }

    /// Sets the destination of a stream, by the setter of its name.
    fn set_output(&mut self, stream: &str, value: TokenStream) -> syn::Result<()> {
        let text = value::text(value, OUTPUT)?;
        let output = output(&text)?;
        self.unseen_streams += usize::from(is_unseen(&text));
        let setter = Ident::new(stream, Span::call_site());
        self.set(move |krate| quote!(.#setter(#krate::__private::options::Output::#output)))
    }

    /// Checks combinations of options.
    pub(crate) fn check(&self, timeout: Option<Duration>, diagnostics: &mut Diagnostics) {
        self.check_time_limits(timeout, diagnostics);
        if let (Some((_, span)), None) = (self.jitter, self.backoff) {
            let message = "`jitter` needs a backoff: `backoff = \"1s\", jitter = 0.25`";
            diagnostics.add(syn::Error::new(span, message));
        }
        if let (Some((_, span)), Some(_)) = (&self.retry_delays, self.backoff) {
            let message = "`retry_delays` and `backoff` set the same delays; remove one of them";
            diagnostics.add(syn::Error::new(*span, message));
        }
    }

    /// Returns a function from options to options.
    pub(crate) fn expand(&self, krate: &TokenStream) -> TokenStream {
        // Cleared first, whatever the order: the variables that are set beside it are meant to stay.
        let clear = self.clears_env.then(|| quote!(.env_clear()));
        let setters: Vec<_> = clear.into_iter().chain(self.setters.iter().map(|setter| setter(krate))).collect();
        let backoff = self.backoff.map(|(first, cap)| {
            let first = duration(first, krate);
            let cap = cap.map(|cap| duration(cap, krate));
            let backoff = cap.map_or_else(|| quote!(fixed(#first)), |cap| quote!(exponential(#first, #cap)));
            let jitter = self.jitter.map(|(part, _)| quote!(.jitter(#part)));
            quote!(.backoff(#krate::__private::options::Backoff::#backoff #jitter))
        });
        let delays = self.retry_delays.as_ref().map(|(delays, _)| {
            let delays = delays.iter().map(|delay| duration(*delay, krate));
            quote!(.retry_delays([#(#delays),*]))
        });
        if setters.is_empty() && backoff.is_none() && delays.is_none() {
            return quote!(#krate::__private::options::unchanged);
        }
        quote!(|__scheduler_options| __scheduler_options #(#setters)* #backoff #delays)
    }
}

/// Generates a duration.
pub(crate) fn duration(duration: Duration, krate: &TokenStream) -> TokenStream {
    let (seconds, nanoseconds) = (duration.as_secs(), duration.subsec_nanos());
    quote!(#krate::__private::Duration::new(#seconds, #nanoseconds))
}

fn some((number, span): (u64, Span), zero: &str) -> syn::Result<u64> {
    if number == 0 { Err(syn::Error::new(span, zero)) } else { Ok(number) }
}

#[cfg(test)]
mod tests;
