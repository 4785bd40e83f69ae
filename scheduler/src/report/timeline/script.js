'use strict';
// Draws the events of a run, which stand as JSON at the end of the page. No text of a job ever becomes markup.
addEventListener('DOMContentLoaded', () => {
  const $ = id => document.getElementById(id);
  const OUTCOMES = ['ok', 'error', 'timeout', 'cancelled', 'running'];
  const LABELS = { ok: 'ok', error: 'failed', timeout: 'timed out', cancelled: 'cancelled', running: 'running' };

  // -- The run: jobs by key, attempts by slot.
  const jobs = new Map(), attempts = [], slots = [];
  let zero = 0, end = 0, latest = 0;
  const job = key => {
    if (!jobs.has(key)) jobs.set(key, { key, id: '', job: '', group: null, follows: null, followUps: [], attempts: [], outcome: null, flaky: false, total: 0 });
    return jobs.get(key);
  };
  const rows = JSON.parse($('data').textContent);
  // Of several logs a later one may be of an earlier run.
  const begin = rows.reduce((least, row) => row[0] === 'z' ? least : Math.min(least, row[2]), 0);
  for (const row of rows) {
    const [kind, key] = row, at = row[2] - begin;
    if (kind === 'z') { zero = key + begin; continue; }
    if (kind === 'o') {
      // The next application: the one before was killed, and what it had not begun is of no run.
      for (const it of jobs.values()) if (it.outcome === null) {
        if (!it.attempts.length) { jobs.delete(it.key); continue; }
        const killed = { outcome: 'cancelled', error: 'the application was killed' };
        const last = it.attempts.at(-1);
        if (last.gone === undefined) Object.assign(last, killed, { returned: latest, gone: latest });
        Object.assign(it, killed, { tries: it.attempts.length, recorded: latest });
      }
      latest = 0;
      continue;
    }
    end = Math.max(end, at);
    latest = Math.max(latest, at);
    const it = job(key);
    if (kind === 'q') {
      Object.assign(it, { queued: at, id: row[3], job: row[4], group: row[5] });
      it.text = (it.id + '\n' + it.job).toLowerCase();
      if (typeof row[6] === 'number') { it.follows = job(row[6]); it.follows.followUps.push(it); }
    } else if (kind === 's') {
      const attempt = { job: it, number: row[3], slot: row[4], pid: row[5], start: at, outcome: 'running', grace: null };
      it.attempts.push(attempt); attempts.push(attempt);
      while (slots.length < attempt.slot) slots.push([]);
      slots[attempt.slot - 1].push(attempt);
      if (row[6]) { attempt.host = row[6]; slots[attempt.slot - 1].host = row[6]; }
    } else if (kind === 'g') {
      const last = it.attempts.at(-1);
      if (last) { last.grace = at; last.reason = row[3]; }
    } else if (kind === 'a') {
      const last = it.attempts.at(-1);
      const ended = { outcome: row[6], error: row[7], memory: row[8], cpu: row[9], left: row[10], retry: row[11], stacks: row[12] };
      if (last && last.number === row[3]) {
        Object.assign(last, ended, { returned: Math.max(last.start, Math.min(last.start + row[5], at)), gone: at, time: row[5] });
        if (last.grace !== null) last.returned = Math.max(last.returned, last.grace);
      }
      if (row[7]) it.text += '\n' + row[7].toLowerCase();
    } else if (kind === 'r') {
      Object.assign(it, { outcome: row[3], error: row[4], total: row[5], tries: row[6], flaky: row[7], tail: row[8], recorded: at });
      if (row[4]) it.text += '\n' + row[4].toLowerCase();
    }
  }
  if (begin < 0) for (const lane of slots) lane.sort((a, b) => a.start - b.start);
  const all = [...jobs.values()];
  for (const attempt of attempts) if (attempt.gone === undefined) attempt.returned = attempt.gone = end;
  const outcomeOf = it => it.outcome ?? (it.attempts.length ? 'running' : 'waiting');
  const span = Math.max(end, 1e-3);

  // -- Text.
  const time = ms => {
    if (ms < 1) return (ms * 1000).toFixed(0) + ' µs';
    if (ms < 1000) return ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0) + ' ms';
    if (ms < 60000) return (ms / 1000).toFixed(ms < 10000 ? 2 : 1) + ' s';
    const s = Math.round(ms / 1000), pad = n => String(n).padStart(2, '0');
    return s < 3600 ? `${Math.floor(s / 60)}:${pad(s % 60)} min` : `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)} h`;
  };
  const bytes = n => n >= 2 ** 30 ? (n / 2 ** 30).toFixed(1) + ' GiB' : n >= 2 ** 20 ? (n / 2 ** 20).toFixed(1) + ' MiB' : (n / 1024).toFixed(0) + ' KiB';
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const visible = text => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g,
    c => '\\u{' + c.charCodeAt(0).toString(16) + '}');
  const oneLine = text => visible(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  // An id that is nothing but spaces is shown between quotation marks. Of a very long one the middle is left out: paths differ at their ends.
  const middleOut = text => text.length > 240 ? text.slice(0, 80) + ' … ' + text.slice(-150) : text;
  const nameOf = it => it.id === '' ? '(no id)' : it.id.trim() === '' ? `"${oneLine(it.id)}"` : oneLine(it.id);

  // -- Colors, which the style sheet has for light and dark.
  let colors = {};
  const readColors = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['back', 'panel', 'line', 'text', 'faint', 'gone', 'flaky', ...OUTCOMES]) {
      colors[name] = style.getPropertyValue('--' + name).trim();
    }
  };

  // -- Figures.
  const counts = { ok: 0, error: 0, timeout: 0, cancelled: 0, running: 0, waiting: 0 };
  const own = all.filter(it => !it.follows);
  for (const it of own) counts[outcomeOf(it)]++;
  const flaky = all.filter(it => it.flaky).length;
  const busy = attempts.reduce((sum, a) => sum + a.gone - a.start, 0);
  const addFigure = (value, label) => {
    const box = element('div', undefined, 'figure');
    box.append(element('b', value), element('span', label));
    $('figures').append(box);
  };
  addFigure(own.length.toLocaleString('en'), 'jobs');
  for (const [name, label] of [['ok', 'ok'], ['error', 'failed'], ['timeout', 'timed out'], ['cancelled', 'cancelled'], ['running', 'running'], ['waiting', 'waiting']]) {
    if (counts[name] || name === 'ok') addFigure(counts[name].toLocaleString('en'), label);
  }
  if (all.length > own.length) addFigure((all.length - own.length).toLocaleString('en'), 'follow-ups');
  if (flaky) addFigure(flaky.toLocaleString('en'), 'flaky');
  addFigure(time(end), 'from first to last event');
  if (slots.length) addFigure(Math.round(100 * busy / (span * slots.length)) + ' %', `busy, of ${slots.length} slot${slots.length === 1 ? '' : 's'}`);
  if (counts.running + counts.waiting) {
    $('state').hidden = false;
    $('state').textContent = 'not finished: the application was still running, or was killed';
  }

  // -- Search and filter.
  const shown = new Set([...OUTCOMES, 'waiting']);
  let needle = '', chosen = null, hovered = null, matching = new Set(all);
  const isDimmed = it => !matching.has(it);
  const search = () => {
    needle = $('search').value.trim().toLowerCase();
    matching = new Set(all.filter(it => shown.has(outcomeOf(it)) && (!needle || it.text.includes(needle))));
    const isAll = matching.size === all.length;
    $('matches').textContent = isAll ? '' : `${matching.size.toLocaleString('en')} of ${all.length.toLocaleString('en')} jobs`;
    fillTables(); schedule();
  };
  for (const name of OUTCOMES.filter(name => all.some(it => outcomeOf(it) === name))) {
    const label = element('label'), box = element('input'), dot = element('i', undefined, 'dot');
    box.type = 'checkbox'; box.checked = true; dot.style.background = `var(--${name})`;
    box.addEventListener('change', () => { box.checked ? shown.add(name) : shown.delete(name); search(); });
    label.append(box, dot, LABELS[name]);
    $('filters').append(label);
  }
  $('search').addEventListener('input', search);

  // -- Lanes. `from` and `to` are the ends of the shown time.
  const lanes = $('lanes'), axis = $('axis'), LEFT = 58;
  const height = slots.length > 200 ? 10 : slots.length > 60 ? 16 : 24;
  let from = 0, to = span, pending = false;
  const fit = (canvas, cssHeight) => {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(cssHeight * ratio);
    canvas.style.height = cssHeight + 'px';
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = '11px system-ui, sans-serif'; context.textBaseline = 'middle';
    return [context, width];
  };
  const step = (length, most) => {
    const rough = length / most, power = 10 ** Math.floor(Math.log10(rough));
    return power * [1, 2, 5, 10].find(n => n * power >= rough);
  };
  // The text, or as much of its end as there is room for.
  const endOf = (context, text, room) => {
    if (text.length * 2 < room / 6) return text;
    let end = Array.from(text.slice(-240)), width = context.measureText(end.join('')).width;
    if (end.length === text.length && width <= room) return text;
    while (end.length > 1 && width > room) {
      end = end.slice(Math.max(1, Math.floor(end.length * (1 - room / width))));
      width = context.measureText('…' + end.join('')).width;
    }
    return '…' + end.join('');
  };
  const draw = () => {
    pending = false;
    const [top, width] = fit(axis, 26), plot = width - LEFT - 8;
    const x = t => LEFT + (t - from) / (to - from) * plot;
    const tick = step(to - from, Math.max(2, plot / 110));
    const [context] = fit(lanes, Math.max(1, slots.length) * height + 4);
    top.fillStyle = colors.faint; top.textAlign = 'center';
    context.fillStyle = colors.line;
    for (let t = Math.ceil(from / tick) * tick; t <= to; t += tick) {
      top.fillText(tick < 1 ? time(t) : t === 0 ? '0' : time(t), Math.min(Math.max(x(t), LEFT), width - 30), 13);
      context.fillRect(x(t), 0, 1, slots.length * height + 4);
    }
    context.save();
    slots.forEach((lane, index) => {
      const y = index * height + 2, thick = height - 3;
      // The attempts of a lane follow each other: the first that may be seen is found by halving.
      let low = 0, high = lane.length;
      while (low < high) { const middle = (low + high) >> 1; if (lane[middle].gone < from) low = middle + 1; else high = middle; }
      let drawnTo = -1, drawnOutcome = '';
      for (let i = low; i < lane.length && lane[i].start <= to; i++) {
        const it = lane[i], left = Math.max(x(it.start), LEFT), right = Math.min(x(it.gone), width - 8);
        const dimmed = isDimmed(it.job);
        // Where bars are thinner than a pixel, one of each color is enough.
        const look = it.outcome + dimmed;
        if (right < drawnTo && look === drawnOutcome && it !== hovered) continue;
        drawnTo = Math.ceil(left + 0.5); drawnOutcome = look;
        context.globalAlpha = dimmed ? 0.15 : 1;
        context.fillStyle = colors[it.outcome];
        context.fillRect(left, y, Math.max(right - left, 1), thick);
        const back = Math.min(Math.max(x(it.returned), left), right);
        if (it.grace !== null) {
          const grace = Math.max(x(it.grace), left);
          context.globalAlpha = dimmed ? 0.1 : 0.45; context.fillStyle = colors.back;
          context.fillRect(grace, y, Math.max(back - grace, 0), thick);
          context.globalAlpha = dimmed ? 0.15 : 1;
        }
        if (right - back > 1) { context.fillStyle = colors.gone; context.fillRect(back, y, right - back, thick); }
        if (it.number > 1 && right - left > 3) { context.fillStyle = colors.flaky; context.fillRect(left, y, 3, thick); }
        if (it === hovered || it.job === chosen) {
          context.globalAlpha = 1; context.strokeStyle = colors.text; context.lineWidth = it === hovered ? 2 : 1.5;
          context.strokeRect(left + 0.5, y + 0.5, Math.max(right - left - 1, 1), thick - 1);
        }
        if (right - left > 44 && height >= 16) {
          context.save(); context.beginPath(); context.rect(left, y, right - left - 4, thick); context.clip();
          context.fillStyle = colors.back; context.textAlign = 'left';
          context.fillText(endOf(context, nameOf(it.job), right - left - 10), left + 6, y + thick / 2 + 0.5); context.restore();
        }
      }
      context.globalAlpha = 1;
    });
    context.restore();
    context.fillStyle = colors.panel; context.fillRect(0, 0, LEFT - 2, slots.length * height + 4);
    context.fillStyle = colors.faint; context.textAlign = 'right';
    slots.forEach((_, index) => { if (height >= 16 || index % 2 === 0) context.fillText(endOf(context, slots[index].host ? (index + 1) + ' ' + slots[index].host : 'slot ' + (index + 1), LEFT - 12), LEFT - 10, index * height + height / 2 + 1); });
    if (!slots.length) { context.textAlign = 'left'; context.fillText('Nothing was started.', LEFT, height / 2); }
  };
  const schedule = () => { if (!pending) { pending = true; requestAnimationFrame(draw); } };
  const show = (a, b) => {
    const length = Math.min(Math.max(b - a, span * 1e-6, 1e-3), span);
    from = Math.min(Math.max(a, 0), span - length); to = from + length; schedule();
  };
  const zoom = (factor, at = (from + to) / 2) => show(at - (at - from) * factor, at + (to - at) * factor);
  const timeAt = clientX => {
    const box = lanes.getBoundingClientRect();
    return from + (clientX - box.left - LEFT) / (box.width - LEFT - 8) * (to - from);
  };
  const attemptAt = event => {
    const box = lanes.getBoundingClientRect(), lane = slots[Math.floor((event.clientY - box.top) / height)];
    if (!lane || event.clientX - box.left < LEFT) return null;
    const t = timeAt(event.clientX), slack = (to - from) / box.width * 2;
    let low = 0, high = lane.length;
    while (low < high) { const middle = (low + high) >> 1; if (lane[middle].gone < t - slack) low = middle + 1; else high = middle; }
    for (let i = low; i < lane.length && lane[i].start <= t + slack; i++) if (!isDimmed(lane[i].job)) return lane[i];
    return null;
  };

  // -- Details.
  const list = (it, attempt) => {
    const made = element('dl');
    const add = (name, value) => { if (value !== undefined && value !== null && value !== '') made.append(element('dt', name), element('dd', value)); };
    add('job', it.job);
    add('group', it.group);
    add('follows', it.follows && nameOf(it.follows) + ', ' + (LABELS[outcomeOf(it.follows)] ?? outcomeOf(it.follows)));
    for (const next of it.followUps) add('follow-up', next.job + ': ' + (LABELS[outcomeOf(next)] ?? outcomeOf(next)) + (next.error ? ', ' + oneLine(next.error) : ''));
    add('outcome', (LABELS[outcomeOf(it)] ?? outcomeOf(it)) + (it.flaky ? ', flaky' : ''));
    add('error', it.error && oneLine(it.error));
    if (attempt) {
      add('attempt', it.attempts.length > 1 || it.tries > 1 ? `${attempt.number} of ${it.tries ?? it.attempts.length}: ${LABELS[attempt.outcome]}` : '');
      if (attempt.error && attempt.error !== it.error) add('its error', oneLine(attempt.error));
      add('started', `${time(attempt.start)} after the first event, ${new Date(zero + attempt.start).toLocaleTimeString()}`);
      add('waited', attempt.number === 1 && it.queued !== undefined ? time(Math.max(0, attempt.start - it.queued)) : '');
      add('took', attempt.time === undefined ? '' : time(attempt.time));
      add('grace', attempt.grace === null ? '' : `asked to stop after ${time(attempt.grace - attempt.start)}: ${attempt.reason}`);
      add('gone after', attempt.gone <= attempt.returned ? '' : time(attempt.gone - attempt.returned) + (attempt.left ? `, ${attempt.left} processes were left behind` : ''));
      add('retry', attempt.retry === null || attempt.retry === undefined ? '' : 'in ' + time(attempt.retry));
      add('used', attempt.memory ? `${bytes(attempt.memory)}, ${time(attempt.cpu)} of processor time` : '');
      add('process', attempt.pid && `${attempt.pid}, slot ${attempt.slot}${attempt.host ? ' on ' + attempt.host : ''}`);
    }
    return made;
  };
  const choose = (it, attempt) => {
    chosen = it;
    const box = $('details');
    box.replaceChildren(); box.hidden = !it;
    if (it) {
      box.style.borderLeftColor = `var(--${outcomeOf(it)})`;
      const title = element('h2', nameOf(it));
      const shownAttempt = attempt ?? it.attempts.at(-1);
      box.append(title, list(it, shownAttempt));
      if (shownAttempt?.stacks) box.append(element('pre', visible(shownAttempt.stacks)));
      if (it.tail) box.append(element('pre', visible(it.tail)));
    }
    schedule();
  };
  const reveal = it => {
    const last = it.attempts.at(-1);
    choose(it, last);
    if (last) {
      const length = Math.max((last.gone - last.start) * 6, span / 200);
      show((last.start + last.gone - length) / 2, (last.start + last.gone + length) / 2);
      $('scroll').scrollTop = (last.slot - 1) * height - $('scroll').clientHeight / 2;
    }
  };

  // -- Mouse and keyboard.
  let grabbed = null, moved = false;
  lanes.addEventListener('pointerdown', event => {
    grabbed = { x: event.clientX, from, to }; moved = false;
    lanes.setPointerCapture(event.pointerId); lanes.classList.add('moving');
  });
  lanes.addEventListener('pointermove', event => {
    if (grabbed) {
      const shift = (event.clientX - grabbed.x) / (lanes.clientWidth - LEFT - 8) * (grabbed.to - grabbed.from);
      if (Math.abs(event.clientX - grabbed.x) > 3) moved = true;
      if (moved) { $('hover').hidden = true; show(grabbed.from - shift, grabbed.to - shift); }
      return;
    }
    const found = attemptAt(event), box = $('hover');
    if (found !== hovered) {
      hovered = found; schedule();
      box.hidden = !found;
      if (found) {
        const title = element('strong', middleOut(nameOf(found.job)));
        box.replaceChildren(title, list(found.job, found));
      }
    }
    if (found) {
      box.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)) + 'px';
      const below = event.clientY + 18 + box.offsetHeight < innerHeight;
      box.style.top = Math.max(8, below ? event.clientY + 18 : event.clientY - box.offsetHeight - 12) + 'px';
    }
  });
  const release = event => {
    lanes.classList.remove('moving');
    if (grabbed && !moved && event.type === 'pointerup') { const found = attemptAt(event); choose(found && found.job, found); }
    grabbed = null;
  };
  lanes.addEventListener('pointerup', release);
  lanes.addEventListener('pointercancel', release);
  lanes.addEventListener('pointerleave', () => { if (hovered) { hovered = null; schedule(); } $('hover').hidden = true; });
  lanes.addEventListener('dblclick', () => show(0, span));
  lanes.addEventListener('wheel', event => {
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.003), timeAt(event.clientX)); }
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const shift = (event.deltaX || event.deltaY) / lanes.clientWidth * (to - from); show(from + shift, to + shift);
    }
  }, { passive: false });
  $('reset').addEventListener('click', () => show(0, span));
  addEventListener('keydown', event => {
    if (event.target === $('search')) { if (event.key === 'Escape') { $('search').value = ''; search(); $('search').blur(); } return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const part = (to - from) / 5;
    if (event.key === '/') $('search').focus();
    else if (event.key === '+' || event.key === '=') zoom(0.7);
    else if (event.key === '-') zoom(1 / 0.7);
    else if (event.key === '0') show(0, span);
    else if (event.key === 'Escape') choose(null);
    else if (event.target === lanes && event.key === 'ArrowLeft') show(from - part, to - part);
    else if (event.target === lanes && event.key === 'ArrowRight') show(from + part, to + part);
    else return;
    event.preventDefault();
  });
  addEventListener('resize', () => { schedule(); drawHistogram(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColors(); schedule(); drawHistogram(); });

  // -- Tables and the histogram.
  const fill = (table, rows, note) => {
    table.replaceChildren();
    if (!rows.length) { const line = table.insertRow(); line.append(element('td', note, 'empty')); return; }
    for (const [number, it, why] of rows) {
      const line = table.insertRow(), dot = element('i', undefined, 'dot'), name = element('span', undefined, 'name'), link = element('button', middleOut(nameOf(it)));
      dot.style.background = `var(--${outcomeOf(it)})`; dot.style.marginRight = '8px';
      link.title = it.job + (why ? ': ' + why : '');
      link.addEventListener('click', () => reveal(it));
      name.append(dot, link);
      line.append(element('td', number, 'number'));
      line.insertCell().append(name);
    }
  };
  // Finished jobs whose function was called, even if that took less than the microsecond that times are rounded to.
  const hasRun = it => it.outcome !== null && (it.total > 0 || it.attempts.length > 0);
  const most = (items, weight, count) => items.slice().sort((a, b) => weight(b) - weight(a)).slice(0, count);
  const fillTables = () => {
    const matches = [...matching];
    fill($('slowest'), most(matches.filter(hasRun), it => it.total, 12).map(it => [time(it.total), it, it.error]), 'no job has finished');
    const retried = matches.filter(it => (it.tries ?? it.attempts.length) > 1);
    fill($('flakiest'), most(retried, it => it.tries ?? it.attempts.length, 12)
      .map(it => [`${it.tries ?? it.attempts.length} attempts`, it, it.attempts[0]?.error]), 'no job was tried twice');
    drawHistogram();
  };
  const drawHistogram = () => {
    const [context, width] = fit($('histogram'), 200);
    const times = [...matching].filter(hasRun);
    context.fillStyle = colors.faint; context.textAlign = 'left';
    if (!times.length) { context.fillText('no job has finished', 0, 20); return; }
    // A logarithmic scale: jobs of one list may take a millisecond and an hour.
    const logs = times.map(it => Math.log10(Math.max(it.total, 1e-3))), count = Math.max(8, Math.min(40, Math.floor(width / 14)));
    const middle = logs.reduce((a, b) => a + b, 0) / logs.length;
    let least = Infinity, greatest = -Infinity;
    for (const log of logs) { least = Math.min(least, log); greatest = Math.max(greatest, log); }
    if (greatest - least < 0.3) { least = Math.min(least, middle - 0.15); greatest = Math.max(greatest, middle + 0.15); }
    const bins = Array.from({ length: count }, () => ({ ok: 0, error: 0, timeout: 0, cancelled: 0 }));
    times.forEach((it, i) => { bins[Math.min(count - 1, Math.floor((logs[i] - least) / (greatest - least) * count))][it.outcome]++; });
    const totals = bins.map(bin => bin.ok + bin.error + bin.timeout + bin.cancelled);
    const highest = totals.reduce((a, b) => Math.max(a, b), 1), floor = 172, wide = width / count;
    bins.forEach((bin, i) => {
      let y = floor;
      for (const name of ['ok', 'error', 'timeout', 'cancelled']) {
        if (!bin[name]) continue;
        const part = Math.max(bin[name] / highest * (floor - 18), 1.5);
        context.fillStyle = colors[name]; context.fillRect(i * wide + 1, y - part, wide - 2, part); y -= part;
      }
      if (totals[i] && wide > 18) { context.fillStyle = colors.faint; context.textAlign = 'center'; context.fillText(totals[i], i * wide + wide / 2, y - 8); }
    });
    context.fillStyle = colors.line; context.fillRect(0, floor, width, 1);
    context.fillStyle = colors.faint;
    for (let i = 0, labels = Math.max(2, Math.floor(width / 110)); i <= labels; i++) {
      context.textAlign = i === 0 ? 'left' : i === labels ? 'right' : 'center';
      context.fillText(time(10 ** (least + (greatest - least) * i / labels)), width * i / labels, floor + 14);
    }
  };

  readColors(); draw(); fillTables();
  performance.mark('drawn');
  // For tests and for the curious.
  const placeOf = it => {
    const box = lanes.getBoundingClientRect(), middle = (it.start + it.gone) / 2;
    return [box.left + LEFT + (middle - from) / (to - from) * (box.width - LEFT - 8), box.top + (it.slot - 0.5) * height];
  };
  window.timeline = { jobs: all, slots, show, draw, placeOf };
});
