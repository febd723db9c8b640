<#-- The base theme leaves this macro empty for themes to fill. -->
<#macro content>
  <p class="ohif-notice">${msg("ohifNotice")}</p>
</#macro>
