//! Every script, built once per store. Each works on one key (and on what lies beside it in the same slot), tells the server's time
//! first and a status second, and checks everything before it writes anything.

use crate::client::Script;

#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) change: Script,
    pub(crate) renew: Script,
    pub(crate) create: Script,
    pub(crate) end: Script,
    pub(crate) peek: Script,
    pub(crate) bury: Script,
    pub(crate) enter: Script,
    pub(crate) settle: Script,
    pub(crate) reserve: Script,
    pub(crate) entries: Script,
    pub(crate) prune: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            change: Script::gathering(include_str!("../lua/change.lua")),
            renew: Script::new(include_str!("../lua/renew.lua")),
            create: Script::new(include_str!("../lua/create.lua")),
            end: Script::new(include_str!("../lua/end.lua")),
            peek: Script::new(include_str!("../lua/peek.lua")),
            bury: Script::new(include_str!("../lua/bury.lua")),
            enter: Script::new(include_str!("../lua/enter.lua")),
            settle: Script::new(include_str!("../lua/settle.lua")),
            reserve: Script::new(include_str!("../lua/reserve.lua")),
            entries: Script::new(include_str!("../lua/entries.lua")),
            prune: Script::new(include_str!("../lua/prune.lua")),
        }
    }
}
