//! `Answers`: the functions of a scheduler that answer the questions of its jobs.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::{decode_typed, encode_typed};
use crate::panic_guard::guarded;
use crate::wire::codec;
use crate::wire::value::Encoding;

/// The functions, each with the name of the type of its questions.
#[derive(Clone, Default)]
pub(crate) struct Answers(Vec<(&'static str, AnswerFn)>);

type AnswerFn = Arc<dyn Fn(&[u8], Encoding) -> Result<Vec<u8>, String> + Send + Sync>;

impl Answers {
    /// Adds a function for questions of its type. It replaces one for the same type.
    pub(crate) fn add<Q, A>(&mut self, answer: impl Fn(Q) -> A + Send + Sync + 'static)
    where
        Q: DeserializeOwned,
        A: Serialize,
    {
        let function = move |question: &[u8], encoding| {
            let question =
                decode_typed(question).map_err(|problem| format!("the question can't be read: {problem}"))?;
            let encoded = encode_typed(&answer(question), encoding);
            encoded.map(|(bytes, _)| bytes).map_err(|problem| format!("the answer can't be sent: {problem}"))
        };
        self.0.retain(|(name, _)| *name != type_name::<Q>());
        self.0.push((type_name::<Q>(), Arc::new(function)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the encoded answer to an encoded question, or why there is none.
    pub(crate) fn answer(&self, question: &[u8], encoding: Encoding) -> Result<Vec<u8>, String> {
        let asked: String =
            codec::take(&mut &question[..]).map_err(|error| format!("the question can't be read: {error}"))?;
        let Some((_, function)) = self.0.iter().find(|(name, _)| *name == asked) else {
            return Err(format!("nothing answers a question of type `{asked}`; set a function by `Scheduler::on_ask`"));
        };
        guarded(|| function(question, encoding))
            .unwrap_or_else(|panic| Err(format!("the function that answers failed: {panic}")))
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_by_the_function_for_its_type() {
        let mut answers = Answers::default();
        answers.add(|number: u32| number + 1);
        answers.add(|number: u32| number + 2);
        answers.add(|_: String| -> u8 { panic!("no idea") });
        let encoded = |question: &[u8]| question.to_vec();
        let ask = |question: Vec<u8>| answers.answer(&question, Encoding::Compact);
        let (three, _) = encode_typed(&3_u32, Encoding::Compact).expect("a number encodes");
        assert_eq!(ask(encoded(&three)).and_then(|answer| decode_typed::<u32>(&answer)), Ok(5));
        let (text, _) = encode_typed(&"a".to_owned(), Encoding::Compact).expect("a text encodes");
        assert_eq!(ask(text), Err("the function that answers failed: it panicked: no idea".to_owned()));
        let (other, _) = encode_typed(&3_u64, Encoding::Compact).expect("a number encodes");
        let expected = "nothing answers a question of type `u64`; set a function by `Scheduler::on_ask`";
        assert_eq!(ask(other), Err(expected.to_owned()));
        assert!(ask(vec![255; 9]).is_err_and(|problem| problem.starts_with("the question can't be read: ")));
    }
}
