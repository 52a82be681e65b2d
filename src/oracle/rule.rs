//! The names of what a right kernel does: one [`Rule`] for each decision, with its source and the version it holds since.
//!
//! A verdict names the rule that decided it. A rule can be taken out ([`Rules::without`]), which makes the oracle wrong at
//! exactly that place: whoever compares an oracle with a kernel can so prove that the comparison is able to fail.

use core::fmt;

/// The side of a connection a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// `sendmsg(2)`.
    Send,
    /// `recvmsg(2)`.
    Receive,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $side:ident, $source:literal, $since:literal;)*) => {
        /// One decision of the kernel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)*
        }

        impl Rule {
            /// Every rule, in the order the kernel comes to them.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// The name on a command line: lower case, with hyphens.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// What the kernel does, in a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$rule => concat!($($doc),+).trim_ascii(),)* }
            }

            /// The function of the kernel it was read in.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$rule => $source,)* }
            }

            /// The first kernel it holds on; empty where it has held as long as the sources that were read go back (6.1).
            #[must_use]
            pub const fn since(self) -> &'static str {
                match self { $(Self::$rule => $since,)* }
            }

            /// Sender's or receiver's.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$rule => Side::$side,)* }
            }
        }
    };
}

rules! {
    /// A 64-bit program must not set `MSG_CMSG_COMPAT`: EINVAL.
    CompatBit = "compat-bit", Send, "__sys_sendmsg", "";
    /// A negative `msg_namelen` behind an address is EINVAL.
    NameLength = "name-length", Send, "__copy_msghdr", "";
    /// `msg_controllen` over 2147483647 is ENOBUFS, even where `msg_control` is null.
    ControlTooLong = "control-too-long", Send, "____sys_sendmsg", "";
}

impl Rule {
    /// The rule with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rules that hold: all of them, or all but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// Every rule holds, as in a right kernel.
    pub const ALL: Self = Self { without: None };

    /// Every rule but one: an oracle that is wrong on purpose.
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    /// Whether `rule` holds.
    #[must_use]
    pub fn holds(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
