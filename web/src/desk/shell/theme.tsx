// Light, dark, or as the system has it.
import { Monitor, Moon, Sun } from "lucide-react";
import { useEffect, useState } from "react";

const themes = ["system", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const STORED_AS = "orders-desk-theme";
const icons = { system: Monitor, light: Sun, dark: Moon };

export function ThemeButton() {
  const [theme, setTheme] = useState<Theme>(
    () => themes.find((one) => one === localStorage.getItem(STORED_AS)) ?? "system",
  );
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    if (theme === "system") {
      localStorage.removeItem(STORED_AS);
    } else {
      localStorage.setItem(STORED_AS, theme);
    }
  }, [theme]);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
  const Icon = icons[theme];
  return (
    <button
      type="button"
      className="icon-button theme-button"
      aria-label={`Colours: ${theme}. Change to ${next}`}
      title={`Colours: ${theme}`}
      onClick={() => setTheme(next)}
    >
      <Icon aria-hidden />
    </button>
  );
}
