use super::*;
use proptest::prelude::*;
use serde_json::json;

fn one(text: &str) -> Value {
    parse(text).unwrap().remove(0)
}

fn fails(text: &str) -> (usize, usize, String) {
    let error = parse(text).unwrap_err();
    (error.position.line, error.position.column, error.message)
}

#[test]
fn a_manifest_reads_as_the_json_kubectl_sends() {
    let value = one("a: 1\nb: [x, 'yes', yes]\nc:\n  d: |\n    two\n    lines\n  e: ~\n");
    assert_eq!(value, json!({"a": 1, "b": ["x", "yes", true], "c": {"d": "two\nlines\n", "e": null}}));
}

#[test]
fn keys_become_text() {
    assert_eq!(one("1: a\ntrue: b\n1.5: d\n"), json!({"1": "a", "true": "b", "1.5": "d"}));
    assert!(fails("on: a\ntrue: b\n").2.contains("twice"));
}

#[test]
fn a_stream_is_cut_at_its_separators() {
    let stream = "# head\n---\na: 1\n--- # next\nb: |\n  ---\n  text\n---\n";
    let documents = documents(stream);
    assert_eq!(documents.iter().map(|d| d.line).collect::<Vec<_>>(), [1, 4, 8]);
    let values: Vec<_> = documents.iter().flat_map(|d| parse(d.text).unwrap()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": "---\ntext\n"})]);
}

#[test]
fn directives_stay_with_their_document() {
    let stream = "%YAML 1.2\n---\na: 1\n---\nb: 2\n";
    let values: Vec<_> = documents(stream).iter().flat_map(|d| parse(d.text).unwrap()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2})]);
}

#[test]
fn aliases_repeat_and_merge_keys_yield() {
    let value = one("base: &b {x: 1, w: 2}\nmore: &m {w: 3, z: 4}\nuse:\n  <<: [*b, *m]\n  x: 9\nagain: *b\n");
    assert_eq!(value["use"], json!({"x": 9, "w": 2, "z": 4}));
    assert_eq!(value["again"], json!({"x": 1, "w": 2}));
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let last = level - 1;
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 9].join(", ")));
    }
    assert!(fails(&text).2.contains("more than"));
}

#[test]
fn a_big_text_repeated_by_aliases_is_refused() {
    let text = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 5000].join(","));
    assert!(fails(&text).2.contains("more than"));
}

#[test]
fn deep_nesting_is_refused_also_through_aliases() {
    assert!(fails(&format!("{}{}", "[".repeat(100), "]".repeat(100))).2.contains("deeper"));
    let mut text = String::from("a0: &a0 {x: 1}\n");
    for level in 1..100 {
        text.push_str(&format!("a{level}: &a{level} {{x: *a{}}}\n", level - 1));
    }
    assert!(fails(&text).2.contains("deeper"));
}

#[test]
fn mistakes_have_a_place() {
    let (line, column, message) = fails("a: 1\nb: 2\na: 3\n");
    assert_eq!((line, column), (3, 1));
    assert!(message.contains("'a' stands twice"), "{message}");
    assert_eq!(fails("a:\n  - b\n c: d\n").0, 3);
    assert_eq!(fails("x: &a [*a]\n").0, 1);
    assert!(fails("? [a]\n: b\n").2.contains("key"));
    assert!(fails("<<: 3\n").2.contains("mapping"));
    assert!(fails("x: .inf\n").2.contains("JSON"));
}

#[test]
fn tags_of_the_core_schema_count() {
    assert_eq!(one("a: !!str 12\nb: !!int '12'\n"), json!({"a": "12", "b": 12}));
    assert!(fails("a: !!binary aGk=\n").2.contains("base64"));
}

#[test]
fn fields_are_found_where_they_are_written() {
    let marks = position::marks("spec:\n  rules:\n  - name: x\n    port: 1\n  - {name: y}\n");
    let find = |field| marks.find(field).map(|p| (p.line, p.column));
    assert_eq!(find("spec.rules[0].port"), Some((4, 5)));
    assert_eq!(find("spec.rules[1].name"), Some((5, 6)));
    assert_eq!(find("spec.rules[1].filters[3].type"), Some((5, 5)), "the nearest parent");
    assert_eq!(find("nothing"), None);
}

const SEED: &str = "apiVersion: v1\nkind: List\nitems: &x\n- {a: 'b', c: \"d\\n\"}\n- !!str 12\n- |\n  text\n- <<: *x\n---\n? k\n: v\n";

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        for document in documents(&text) {
            let _ = parse(document.text);
            let _ = position::marks(document.text);
        }
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[-:?&*!|>'\"%@`#,\\[\\]{}<~ \t\n\ra-c0-9.]{0,120}") {
        for document in documents(&text) {
            let _ = parse(document.text);
        }
    }

    #[test]
    fn mutated_yaml_never_panics(edits in proptest::collection::vec((0..SEED.len(), any::<u8>(), 0..3_u8), 1..8)) {
        let mut bytes = SEED.as_bytes().to_vec();
        for (at, byte, what) in edits {
            let at = at % bytes.len().max(1);
            match what {
                0 => bytes.insert(at, byte),
                1 if !bytes.is_empty() => { bytes.remove(at); }
                _ => if let Some(slot) = bytes.get_mut(at) { *slot = byte; },
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for document in documents(&text) {
            let _ = parse(document.text);
        }
    }

    #[test]
    fn documents_cover_the_whole_stream(text in "(---|[-a: \n]){0,40}") {
        let joined: String = documents(&text).iter().map(|d| d.text).collect();
        prop_assert_eq!(joined, text);
    }
}
