"""What one call that does nothing costs with Python's multiprocessing, and with pebble."""

import multiprocessing
import sys
import time


def answer(pipe):
    """Sends 42 back, as a job would its result."""
    pipe.send(42)


def forty_two():
    return 42


def row(what, samples):
    samples.sort()
    fastest, median, worst = samples[0], samples[(len(samples) - 1) // 2], samples[-1]
    cells = [f"{1e3 * figure:.3f} ms" for figure in (fastest, median, worst)]
    print(f"| {what} | {len(samples)} | {' | '.join(cells)} |", flush=True)


def timed(run, count):
    samples = []
    for _ in range(count):
        begin = time.perf_counter()
        assert run() == 42
        samples.append(time.perf_counter() - begin)
    return samples


def fresh(context):
    def run():
        ours, theirs = context.Pipe()
        process = context.Process(target=answer, args=(theirs,))
        process.start()
        result = ours.recv()
        process.join()
        return result

    return run


def main():
    count = int(sys.argv[1])
    for method in ("fork", "forkserver", "spawn"):
        few = count if method == "fork" else max(count // 10, 10)
        row(f"Python multiprocessing, {method}, a fresh process", timed(fresh(multiprocessing.get_context(method)), few))
    try:
        from pebble import ProcessPool
    except ImportError:
        print("| pebble | | skipped: it is not installed | | |")
        return
    for what, tasks, few in (("used again", 0, count), ("a fresh process", 1, max(count // 10, 10))):
        with ProcessPool(max_workers=1, max_tasks=tasks) as pool:
            pool.schedule(forty_two).result()
            row(f"pebble, {what}, with a timeout", timed(lambda: pool.schedule(forty_two, timeout=10).result(), few))


if __name__ == "__main__":
    main()
