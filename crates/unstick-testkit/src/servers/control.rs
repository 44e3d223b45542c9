//! The same handles on every server.

/// Fault controls of a type that has a field `process`; `$ready` tells when it serves.
macro_rules! controls {
    ($server:ty, $ready:expr) => {
        impl $server {
            /// SIGSTOP to the server and its children: it hangs, its connections stay open.
            ///
            /// # Panics
            /// When the server does not run.
            pub fn stop(&self) {
                self.process.stop();
            }

            /// SIGCONT: a stopped server goes on where it was.
            ///
            /// # Panics
            /// When the server does not run.
            pub fn cont(&self) {
                self.process.cont();
            }

            /// SIGKILL, as a crash; returns when the server is gone. Nothing happens when it is not running.
            ///
            /// # Panics
            /// When it survives that.
            pub fn kill(&self) {
                self.process.kill();
            }

            /// Asks the server to end at once and in order, and waits until it has. Nothing happens when it is not running.
            ///
            /// # Panics
            /// When it has not ended after a minute.
            pub fn terminate(&self) {
                self.process.terminate();
            }

            /// Starts the server on the same port with the same data and waits until it serves; one that runs is killed first.
            ///
            /// # Panics
            /// When it does not serve after a minute.
            pub fn restart(&self) {
                self.process.kill();
                let ready = $ready;
                let outcome = self.process.relaunch(|| ready(self));
                outcome.unwrap_or_else(|error| panic!("{error}"));
            }

            /// Whether the server runs and is not stopped.
            #[must_use]
            pub fn is_running(&self) -> bool {
                self.process.is_running()
            }

            /// The server's process.
            #[must_use]
            pub fn pid(&self) -> Option<u32> {
                self.process.pid()
            }

            /// The end of the server's log, to be printed by a test that fails.
            #[must_use]
            pub fn log(&self) -> String {
                $crate::servers::error::tail(&self.process.log())
            }
        }
    };
}

pub(crate) use controls;
