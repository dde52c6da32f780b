// Light, dark, or what the system says; remembered where the browser lets a file remember.
const theme = document.getElementById("theme");

function applyTheme(name) {
  document.documentElement.dataset.theme = name;
  theme.value = name;
}

function rememberedTheme() {
  try {
    return localStorage.getItem("k15-theme") || "";
  } catch {
    return ""; // storage is closed to this file
  }
}

applyTheme(rememberedTheme());
theme.addEventListener("change", () => {
  applyTheme(theme.value);
  try {
    localStorage.setItem("k15-theme", theme.value);
  } catch {
    // then only until the page is closed
  }
});
