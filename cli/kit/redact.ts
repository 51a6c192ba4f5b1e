/**
 * Keeps passwords out of what is printed.
 *
 * @module
 */

/**
 * A URL with its password as `***`, or several with commas between them; of a text that is no URL with a host, everything before the
 * last `@` is hidden.
 */
export function redactUrl(text: string): string {
  return text.split(/,(?=\s*[a-z][a-z\d+.-]*:\/\/)/i).map(redactOne).join(",");
}

function redactOne(text: string): string {
  if (!URL.canParse(text) || new URL(text).host === "") return text.replace(/^([^@]*:\/\/)?.*@/, "$1***@");
  return text.replace(/(:\/\/[^/:@]*):[^/?#]*@/, "$1:***@");
}

/** Hides the passwords of all URLs in a text; what shows how a URL is written has none. */
export function redactText(text: string): string {
  return text.replace(/(:\/\/(?!\[user\[:password\]@\])[^\s/:@"']*):[^\s/@"']+@/g, "$1:***@");
}
