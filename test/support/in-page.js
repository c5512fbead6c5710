/** What a page is asked about its looks; runs in the browser, where `looks` then is. */
globalThis.looks = (() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => {
      const s = c / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e !== null; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const scaleOf = (element) => {
    const svg = element.ownerSVGElement;
    return svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
  };

  /** Each visible text: its contrast with the background (WCAG 2.2) and its size in pixels. */
  const texts = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || element.closest('style, script, title') !== null) continue;
      if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
      const style = getComputedStyle(element);
      const [a, b] = [rgb(element instanceof SVGElement ? style.fill : style.color), behind(element)].map(
        luminance,
      );
      found.push({
        text: node.textContent.slice(0, 40),
        ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
        size: Number.parseFloat(style.fontSize) * scaleOf(element),
      });
    }
    return found;
  };

  /** Texts of one picture that lie on each other, and those cut off by its edge. */
  const collisions = () =>
    [...document.querySelectorAll('figure svg')].flatMap((svg) => {
      const frame = svg.getBoundingClientRect();
      // Boxes of turned texts are much larger than what is seen of them.
      const boxes = [...svg.querySelectorAll('text')]
        .filter((e) => e.textContent.trim() !== '' && !/rotate\(-/.test(e.getAttribute('transform') ?? ''))
        .map((e) => ({ text: e.textContent, box: e.getBoundingClientRect() }));
      const cut = boxes.filter(
        ({ box }) =>
          box.left < frame.left - 1 ||
          box.right > frame.right + 1 ||
          box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1,
      );
      const meet = (a, b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
      const over = boxes.flatMap((a, i) =>
        boxes.slice(i + 1).flatMap((b) => (meet(a.box, b.box) ? [`'${a.text}' on '${b.text}'`] : [])),
      );
      return [...cut.map(({ text }) => `'${text}' cut off`), ...over];
    });

  /** Marks all that a keyboard has to reach: what scrolls sideways, and what can be used. */
  const markReachable = () => {
    const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth;
    const wanted = [...document.querySelectorAll('main, main *')].filter(
      (e) => scrolls(e) || e.matches('a, button, summary, input, select'),
    );
    wanted.forEach((e, i) => {
      e.dataset.wanted = String(i);
    });
    return wanted.length;
  };
  /** Where the keyboard is: a mark, '' elsewhere, 'end' when it has left the page; and how wide that is outlined. */
  const focus = () => {
    const e = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(e);
    return {
      at: e === document.body ? 'end' : (e.dataset.wanted ?? ''),
      outline: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth),
    };
  };

  const all = () => [...document.querySelectorAll('main *')];
  const visible = () =>
    all().filter((e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })).length;
  /** Elements, their texts' beginnings, that reach beyond `width`. */
  const beyond = (width) =>
    all()
      .filter((e) => e.closest('svg svg') === null && e.getBoundingClientRect().right > width + 1)
      .map((e) => `${e.tagName} ${e.textContent.slice(0, 60)}`);
  /** Pictures and rows that a page break may cut in two. */
  const breakable = () =>
    [...document.querySelectorAll('svg, tr')].filter((e) => {
      for (let p = e; p !== null; p = p.parentElement)
        if (getComputedStyle(p).breakInside === 'avoid') return false;
      return true;
    }).length;
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const width = () => document.documentElement.scrollWidth;
  return { texts, collisions, markReachable, focus, visible, beyond, breakable, paper, width };
})();
