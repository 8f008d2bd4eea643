'use strict';
// Searches, filters, sorts, pages and opens the legs of the report. All text is put into the page as text; the articles
// of packed legs are markup that the program wrote, parsed without running anything, and the page's policy lets no
// script but this one run.
(() => {
  const PAGE = 100;
  const find = (id) => document.getElementById(id);
  const make = (name, kind, text) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  // On paper everything is open.
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = [...document.querySelectorAll('details:not([open])')];
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener('afterprint', () => closed.forEach((one) => { one.open = false; }));

  const table = find('table');
  if (!table) return;
  const body = table.tBodies[0];
  const shelf = find('legs');
  const controls = find('controls');
  const pages = find('pages');
  const count = find('count');
  // As many columns as are shown: an opened leg that spans hidden ones would take their width from the others.
  const columns = () => [...table.tHead.rows[0].cells].filter((cell) => cell.getClientRects().length).length;
  addEventListener('resize', () => { for (const cell of body.querySelectorAll('tr.opened > td')) cell.colSpan = columns(); });
  const packed = (kind) => [...document.querySelectorAll(`script.${kind}`)];
  const unpack = async (block) => {
    const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return JSON.parse(await new Response(stream).text());
  };

  // Articles: those standing in the page, and blocks of others as they are asked for.
  const articles = new Map([...shelf.children].map((article) => [Number(article.id.slice(4)), article]));
  const standing = articles.size;
  const blocks = packed('legs').map((block) => ({ block, first: Number(block.dataset.first), last: Number(block.dataset.last) }));
  const article = async (n) => {
    if (!articles.has(n)) {
      const found = blocks.find(({ first, last }) => first <= n && n < last);
      if (!found) return undefined;
      found.pieces ??= unpack(found.block);
      const parsed = new DOMParser().parseFromString((await found.pieces)[n - found.first], 'text/html');
      articles.set(n, document.importNode(parsed.querySelector('article'), true));
    }
    return articles.get(n);
  };

  let rows = [];
  let shown = [];
  let page = 0;
  let sorted = { key: '', down: false };
  const open = new Set();

  const cell = (name, kind, ...parts) => {
    const cell = make(name, kind);
    cell.append(...parts);
    return cell;
  };
  const build = (n, row) => {
    const line = make('tr');
    line.dataset.n = n;
    const head = cell('th', '');
    head.scope = 'row';
    const link = make('a');
    link.href = `#leg-${n}`;
    link.append(make('bdi', '', row.call_id));
    const parties = make('div', 'parties');
    parties.append(make('bdi', '', row.parties));
    head.append(link, parties);
    line.append(
      cell('td', '', make('span', `chip v-${row.verdict}`, row.verdict)),
      head,
      cell('td', 'wide', make('bdi', '', row.trunk), make('div', 'small', row.direction)),
      cell('td', '', make('span', `state s-${row.state}`, row.state)),
      cell('td', 'wide time', row.first),
      cell('td', 'number wide', `${row.unconsented_s.toFixed(3)} s`),
      cell('td', 'wide', row.requests),
    );
    return line;
  };

  const expand = (line, on) => line.querySelector('a').setAttribute('aria-expanded', String(on));
  const close = (line) => {
    const n = Number(line.dataset.n);
    const opened = line.nextElementSibling;
    if (opened?.classList.contains('opened')) {
      if (n <= standing) shelve(articles.get(n), n);
      opened.remove();
    }
    open.delete(n);
    expand(line, false);
  };
  // Standing articles go back to their place, for paper.
  const shelve = (article, n) => shelf.insertBefore(article, [...shelf.children].find((other) => Number(other.id.slice(4)) > n) ?? null);
  const unfold = async (line) => {
    const n = Number(line.dataset.n);
    open.add(n);
    expand(line, true);
    const whole = await article(n);
    if (!whole || !open.has(n) || !line.isConnected || line.nextElementSibling?.classList.contains('opened')) return;
    const opened = make('tr', 'opened');
    const cell = make('td');
    cell.colSpan = columns();
    cell.append(whole);
    opened.append(cell);
    line.after(opened);
  };

  const render = () => {
    for (const n of open) if (n <= standing && articles.has(n)) shelve(articles.get(n), n);
    const last = Math.max(0, Math.ceil(shown.length / PAGE) - 1);
    page = Math.min(page, last);
    const lines = shown.slice(page * PAGE, (page + 1) * PAGE).map((n) => build(n, rows[n - 1]));
    body.replaceChildren(...lines);
    lines.forEach((line) => {
      expand(line, false);
      if (open.has(Number(line.dataset.n))) unfold(line);
    });
    const matching = new Set(shown.filter((n) => n <= standing));
    for (const child of shelf.children) child.hidden = !matching.has(Number(child.id.slice(4)));
    const all = rows.length.toLocaleString('en');
    count.textContent = `${shown.length === rows.length ? all : `${shown.length.toLocaleString('en')} of ${all}`} ${rows.length === 1 ? 'leg' : 'legs'}`
      + (last > 0 ? `, rows ${page * PAGE + 1} to ${Math.min(shown.length, (page + 1) * PAGE)}` : '') + '.';
    pages.hidden = last === 0;
    pages.replaceChildren();
    if (last > 0) {
      const turn = (text, to) => {
        const button = make('button', '', text);
        button.type = 'button';
        button.disabled = to < 0 || to > last || to === page;
        button.addEventListener('click', () => { page = to; render(); table.scrollIntoView(); });
        return button;
      };
      pages.append(turn('First', 0), turn('Previous', page - 1), make('span', '', `Page ${page + 1} of ${last + 1}`), turn('Next', page + 1), turn('Last', last));
    }
  };

  const apply = () => {
    const words = find('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const [verdict, trunk, state] = ['verdict', 'trunk', 'state'].map((id) => find(id).value);
    shown = [];
    rows.forEach((row, index) => {
      if ((verdict && row.verdict !== verdict) || (trunk && row.trunk !== trunk) || (state && row.state !== state)) return;
      if (words.length) {
        row.text ??= `${row.call_id} ${row.parties} ${row.trunk} ${row.direction} ${row.verdict} ${row.state} ${row.first} ${row.requests} ${row.more}`.toLowerCase();
        if (!words.every((word) => row.text.includes(word))) return;
      }
      shown.push(index + 1);
    });
    const { key, down } = sorted;
    if (key) {
      const value = (n) => rows[n - 1][key];
      const order = typeof rows[0]?.[key] === 'number' ? (one, other) => one - other : (one, other) => (one < other ? -1 : one > other ? 1 : 0);
      // Verdicts come gravest first: that is the order of the rows themselves.
      shown.sort((one, other) => (key === 'verdict' ? one - other : order(value(one), value(other)) || one - other));
      if (down) shown.reverse();
    }
    page = 0;
    render();
  };

  const sortBy = (head) => {
    const { key } = head.dataset;
    sorted = { key, down: sorted.key === key ? !sorted.down : key === 'unconsented_s' };
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', sorted.down ? 'descending' : 'ascending');
    apply();
  };

  const go = async () => {
    const n = Number(/^#leg-(\d+)$/.exec(location.hash)?.[1]);
    if (!n || n > rows.length) return;
    if (!shown.includes(n)) {
      controls.reset();
      apply();
    }
    page = Math.floor(shown.indexOf(n) / PAGE);
    open.add(n);
    render();
    const line = body.querySelector(`tr[data-n="${n}"]`);
    await unfold(line);
    line.scrollIntoView();
    line.querySelector('a').focus({ preventScroll: true });
  };

  const start = async () => {
    rows = (await Promise.all(packed('rows').map(unpack))).flat();
    for (const [id, key] of [['verdict', 'verdict'], ['trunk', 'trunk'], ['state', 'state']]) {
      const counts = new Map();
      for (const row of rows) counts.set(row[key], (counts.get(row[key]) ?? 0) + 1);
      for (const [name, number] of counts) {
        const option = make('option', '', `${name} (${number})`);
        option.value = name;
        find(id).append(option);
      }
    }
    for (const head of table.tHead.rows[0].cells) {
      const button = make('button', '', head.textContent);
      button.type = 'button';
      button.addEventListener('click', () => sortBy(head));
      head.replaceChildren(button);
    }
    let waiting;
    find('search').addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
    controls.addEventListener('change', apply);
    controls.addEventListener('reset', () => setTimeout(apply));
    controls.addEventListener('submit', (event) => event.preventDefault());
    body.addEventListener('click', (event) => {
      const link = event.target.closest('tr[data-n] a');
      if (!link) return;
      event.preventDefault();
      const line = link.closest('tr');
      if (open.has(Number(line.dataset.n))) close(line);
      else {
        unfold(line);
        history.replaceState(null, '', link.hash);
      }
    });
    addEventListener('hashchange', go);
    controls.hidden = false;
    document.documentElement.classList.add('scripted');
    shown = rows.map((_, index) => index + 1);
    render();
    document.documentElement.dataset.ready = 'true';
    go();
  };
  start().catch((error) => {
    // The page stays as it stands; what cannot be unpacked is said.
    count.textContent = `${count.textContent} The table cannot be filtered here: ${error.message}`;
    document.documentElement.dataset.ready = 'failed';
  });
})();
