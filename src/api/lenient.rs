//! Enumerations that survive the future: a value we do not know is kept as text
//! instead of failing the object it stands in.
//!
//! The API server validates enums against the CRD that is installed, which may be newer than
//! this program. One unknown value must make one object say `UnsupportedValue`, never break a
//! whole list (`serde`'s own enums would).

/// Declares a string enumeration with an `Other` variant for unknown values.
macro_rules! lenient_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $(#[$of])* $variant,)+
            /// A value this version does not know, kept as written.
            Other(Box<str>),
        }

        impl $name {
            /// The value as it is written in a manifest.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            /// The values this version knows, for error messages.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        // In a CRD of ours the known values are an enum: the API server is as old as the CRD it has.
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": Self::KNOWN})
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(text.as_ref()))
            }
        }
    };
}

pub(crate) use lenient_enum;

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the macro declares types of the public API")]

    lenient_enum!(
        /// A colour.
        Colour { Red = "Red", Blue = "Blue" }
    );

    #[test]
    fn an_unknown_value_is_kept_as_written() {
        let colour: Colour = serde_json::from_str("\"Mauve\"").unwrap();
        assert_eq!(colour, Colour::Other("Mauve".into()));
        assert_eq!(serde_json::to_string(&colour).unwrap(), "\"Mauve\"");
        assert_eq!(Colour::KNOWN, ["Red", "Blue"]);
    }
}
