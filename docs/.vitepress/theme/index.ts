import DefaultTheme from "vitepress/theme-without-fonts"; // the system's fonts: none are loaded
import "./style.css";

export default DefaultTheme;
