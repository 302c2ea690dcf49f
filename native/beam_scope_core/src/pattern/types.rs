//! Tests of types, as guards name them.

/// What a type test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `is_atom`
    Atom,
    /// `is_binary`
    Binary,
    /// `is_bitstring`
    Bitstring,
    /// `is_boolean`
    Boolean,
    /// `is_float`
    Float,
    /// `is_function`
    Function,
    /// `is_integer`
    Integer,
    /// `is_list`
    List,
    /// `is_map`
    Map,
    /// `is_number`
    Number,
    /// `is_pid`
    Pid,
    /// `is_port`
    Port,
    /// `is_reference`
    Reference,
    /// `is_tuple`
    Tuple,
}

impl Type {
    /// The type that a guard of one argument tests for, by its name.
    #[must_use]
    pub fn of_test(name: &str) -> Option<Self> {
        Some(match name {
            "is_atom" => Self::Atom,
            "is_binary" => Self::Binary,
            "is_bitstring" => Self::Bitstring,
            "is_boolean" => Self::Boolean,
            "is_float" => Self::Float,
            "is_function" => Self::Function,
            "is_integer" => Self::Integer,
            "is_list" => Self::List,
            "is_map" => Self::Map,
            "is_number" => Self::Number,
            "is_pid" => Self::Pid,
            "is_port" => Self::Port,
            "is_reference" => Self::Reference,
            "is_tuple" => Self::Tuple,
            _ => return None,
        })
    }
}
