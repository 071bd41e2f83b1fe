/** Whether a key is meant for a field, a dialog or the browser, and not for the page. */
export function isTyping(event: KeyboardEvent | React.KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    target.closest("input:not([type=checkbox]), select, textarea, dialog") !== null
  );
}
