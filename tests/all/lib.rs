//! Empty: `scheduler-tests` needs a library to turn on a feature of this package.
