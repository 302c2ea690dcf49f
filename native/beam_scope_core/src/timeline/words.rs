//! The atoms that the timeline must understand, recognised once each.
//!
//! Atoms are numbers here (the VM's words); their text is known only to the recording. Everything that reads the shape of
//! a message or of a callback's return asks [`Words`] which well-known atom a number stands for.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::term::AtomId;

macro_rules! words {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// An atom that means something to the timeline; [`Word::Other`] for all the rest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Word { $($name,)* Other }

        impl Word {
            /// The word that this text is.
            #[must_use]
            pub fn from_text(text: &str) -> Self {
                match text { $($text => Self::$name,)* _ => Self::Other }
            }
        }
    };
}

words! {
    GenCall = "$gen_call", GenCast = "$gen_cast", System = "system", Alias = "alias", Down = "DOWN", ExitMsg = "EXIT",
    Call = "call", Cast = "cast", Info = "info", Timeout = "timeout", StateTimeout = "state_timeout",
    Internal = "internal", InitState = "init_state", Enter = "enter", Continue = "continue", TimeoutZero = "timeout_zero",
    Reply = "reply", Noreply = "noreply", Stop = "stop", Ok = "ok", Error = "error", Exit = "exit", Throw = "throw",
    Ignore = "ignore", Infinity = "infinity", Hibernate = "hibernate",
    NextState = "next_state", KeepState = "keep_state", KeepStateAndData = "keep_state_and_data",
    RepeatState = "repeat_state", RepeatStateAndData = "repeat_state_and_data", StopAndReply = "stop_and_reply",
    SwapHandler = "swap_handler", RemoveHandler = "remove_handler", Handler = "handler",
    Notify = "notify", SyncNotify = "sync_notify", BadReturnValue = "bad_return_value",
    Init = "init", HandleCall = "handle_call", HandleCast = "handle_cast", HandleInfo = "handle_info",
    HandleContinue = "handle_continue", HandleEvent = "handle_event", Terminate = "terminate", CodeChange = "code_change",
    Undefined = "undefined", ClockService = "clock_service", Nil = "nil",
    GenServer = "gen_server", GenStatem = "gen_statem", GenEvent = "gen_event", Supervisor = "supervisor",
    ProcLib = "proc_lib", InitP = "init_p", Gen = "gen", InitIt = "init_it", SelfWord = "self", Local = "local",
    Global = "global", Via = "via", Apply = "apply", Erlang = "erlang", SupervisorBridge = "supervisor_bridge",
    TaskSupervised = "Elixir.Task.Supervised", TaskSupervisor = "Elixir.Task.Supervisor", ElixirAgent = "Elixir.Agent",
    AgentServer = "Elixir.Agent.Server", ElixirSupervisor = "Elixir.Supervisor", StartLink = "start_link", Start = "start",
    SupervisorDefault = "Elixir.Supervisor.Default", DynamicSupervisor = "Elixir.DynamicSupervisor",
    ElixirGenServer = "Elixir.GenServer", PartitionSupervisor = "Elixir.PartitionSupervisor",
    Normal = "normal", Killed = "killed", Shutdown = "shutdown",
    Name = "name", InitialCall = "initial_call", Parent = "parent", Ancestors = "ancestors", Links = "links",
    Module = "module", Behaviour = "behaviour",
    Ack = "ack", Nack = "nack", IoRequest = "io_request", IoReply = "io_reply", CodeCall = "code_call",
    CodeServer = "code_server", Registrar = "registrar",
}

type Texts = Box<dyn Fn(AtomId) -> Option<Box<str>> + Send + Sync>;

/// Which well-known atom a number stands for, looked up once per number.
pub struct Words {
    texts: Texts,
    known: RwLock<HashMap<AtomId, Word>>,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words")
            .field("known", &self.known.read().len())
            .finish_non_exhaustive()
    }
}

impl Words {
    /// Words over something that tells an atom's text.
    #[must_use]
    pub fn new(texts: Texts) -> Self {
        Self {
            texts,
            known: RwLock::new(HashMap::new()),
        }
    }

    /// The word that this atom is.
    #[must_use]
    pub fn of(&self, id: AtomId) -> Word {
        if let Some(word) = self.known.read().get(&id) {
            return *word;
        }
        let Some(text) = self.text(id) else { return Word::Other };
        let word = Word::from_text(&text);
        self.known.write().insert(id, word);
        word
    }

    /// The atom's text.
    #[must_use]
    pub fn text(&self, id: AtomId) -> Option<Box<str>> {
        (self.texts)(id)
    }
}
