//! The macros that declare settings: type, default, key and reader of each in one line, so that
//! none can be forgotten.

/// Declares structs of settings: `"key" field: Type = default, reader;`.
macro_rules! settings {
    ($($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$field_doc:meta])* $key:literal $field:ident: $ty:ty = $default:expr, $read:expr;)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// The keys, as a file writes them.
            pub(crate) const KEYS: &[&str] = &[$($key),+];

            /// Reads a mapping; what it does not mention keeps its default.
            fn read(node: &yaml::Node, problems: &mut Problems) -> Option<Self> {
                let mut settings = Self::default();
                for (key, value) in read::entries(node, Self::KEYS, problems)? {
                    match key {
                        $($key => if let Some(value) = $read(value, problems) {
                            settings.$field = value.into();
                        },)+
                        _ => {}
                    }
                }
                Some(settings)
            }
        }
    )+};
}

/// Makes an enum readable by the names of its variants.
macro_rules! readable {
    ($name:ident { $($variant:ident),+ }) => {
        impl $name {
            fn read(node: &yaml::Node, problems: &mut Problems) -> Option<Self> {
                let known = &[$((stringify!($variant), Self::$variant)),+];
                read::choice(node, known, problems)
            }
        }
    };
}

/// Declares enums that are settings; the first variant is the default.
macro_rules! choices {
    ($($(#[$doc:meta])* pub enum $name:ident {
        $(#[$first_doc:meta])* $first:ident, $($(#[$variant_doc:meta])* $variant:ident,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name {
            $(#[$first_doc])* #[default] $first,
            $($(#[$variant_doc])* $variant,)+
        }

        readable! { $name { $first, $($variant),+ } }
    )+};
}
