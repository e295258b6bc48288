// Styles that scripts write as text, without anything inline: the page's Content-Security-Policy forbids that, and the
// terminal's emulator writes its theme into <style> elements and colours into style attributes. Knows no terminal.

/** From now on, what is written so into `document` acts through the style sheets and properties of scripts. */
export function keepStylesOutOfLine(document: Document): void {
  const make = document.createElement.bind(document) as (name: string, options?: ElementCreationOptions) => HTMLElement;
  document.createElement = ((name: string, options?: ElementCreationOptions) =>
    name === 'style' ? sheetElement(document, make('span')) : make(name, options)) as typeof document.createElement;

  const { prototype } = Element;
  const set = prototype.setAttribute;
  prototype.setAttribute = function (this: Element, name: string, value: string): void {
    if (name === 'style' && (this instanceof HTMLElement || this instanceof SVGElement)) this.style.cssText = value;
    else set.call(this, name, value);
  };
}

/** Takes text as a <style> element does: it holds while the element was not removed. */
function sheetElement(document: Document, element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  let text = '';
  element.hidden = true;
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (css: string) => {
      text = css;
      sheet.replaceSync(css);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    remove();
  };
  return element;
}
