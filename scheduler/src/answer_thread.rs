//! `AnswerThread`: answers the questions of jobs on a thread of its own, so that an answer delays only the job that asked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use crate::answers::Answers;
use crate::process::Origin;
use crate::supervisor::Question;
use crate::wire::value::Encoding;

/// The functions that answer, and the thread that calls them, from the first question on.
#[derive(Debug)]
pub(crate) struct AnswerThread {
    answers: Answers,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    questions: Sender<(Question, Encoding)>,
    /// How many are not answered yet.
    waiting: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
    /// The process that has the thread.
    origin: Origin,
}

impl AnswerThread {
    pub(crate) fn new(answers: Answers) -> Self {
        Self { answers, started: None }
    }

    /// Has a question answered, after those before it.
    pub(crate) fn answer(&mut self, question: Question, encoding: Encoding) {
        if self.started.is_none() && !self.answers.is_empty() {
            self.started = Started::new(self.answers.clone()).ok();
        }
        let unsent = match &self.started {
            Some(started) => started.send(question, encoding).err(),
            None => Some(question),
        };
        // Without a thread, an answer that comes late is better than none.
        if let Some(question) = unsent {
            let answer = self.answers.answer(&question.bytes, encoding);
            question.answer(answer);
        }
    }
}

impl Started {
    fn new(answers: Answers) -> io::Result<Self> {
        let (questions, receiver) = mpsc::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let thread = {
            let waiting = Arc::clone(&waiting);
            let answer = move || answer_all(&answers, receiver, &waiting);
            thread::Builder::new().name("scheduler-answers".to_owned()).spawn(answer)?
        };
        Ok(Self { questions, waiting, thread, origin: Origin::here() })
    }

    /// Returns the question if the thread has exited.
    fn send(&self, question: Question, encoding: Encoding) -> Result<(), Question> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.questions.send((question, encoding)).map_err(|unsent| unsent.0.0)
    }
}

fn answer_all(answers: &Answers, questions: Receiver<(Question, Encoding)>, waiting: &AtomicUsize) {
    let origin = Origin::here();
    for (question, encoding) in questions {
        let answer = answers.answer(&question.bytes, encoding);
        if !origin.is_here() {
            // The function has forked this process: the original answers.
            std::mem::forget(question);
            return;
        }
        // Before the job can end by its answer: the thread is not at work any more.
        waiting.fetch_sub(1, Ordering::Release);
        question.answer(answer);
    }
}

/// Waits for the thread to exit, unless a function is at work: it may take long, and the job that asked has ended.
impl Drop for AnswerThread {
    fn drop(&mut self) {
        if let Some(Started { questions, waiting, thread, origin }) = self.started.take() {
            drop(questions);
            if !origin.is_here() {
                // A fork has no such thread.
                std::mem::forget(thread);
            } else if waiting.load(Ordering::Acquire) == 0 {
                // It exits at once. A panic of a function is an answer.
                let _ = thread.join();
            }
        }
    }
}
