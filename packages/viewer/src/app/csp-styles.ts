// Replaces inline styles that scripts write. The page's Content-Security-Policy forbids inline styles, but the terminal
// emulator writes its theme into <style> elements and colours into style attributes.

/**
 * Redirects all later inline styles in `document` to constructed style sheets and CSSOM properties, which the policy
 * allows.
 */
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

/** Makes an element behave like a <style> element: its text applies until the element is removed. */
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
