# The files in the order of their names, later ones winning, over the official image's defaults.
(reduce .[] as $file ({}; . * $file)) as $given
| {
    StorageDirectory: "/var/lib/orthanc/db",
    RemoteAccessAllowed: true,
    AuthenticationEnabled: true,
    HttpsCACertificates: "/etc/ssl/certs/ca-certificates.crt",
    # A plugin is loaded when its section is there.
    Plugins: (
      {
        DicomWeb: ["libOrthancDicomWeb.so"],
        PostgreSQL: ["libOrthancPostgreSQLIndex.so", "libOrthancPostgreSQLStorage.so"],
        Housekeeper: ["libHousekeeper.so"],
        DelayedDeletion: ["libDelayedDeletion.so"],
        Python: ["libOrthancPython.so"],
        AwsS3Storage: [],
        Worklists: ["libModalityWorklists.so"]
      }
      | [to_entries[] | select(.key as $section | $given | has($section)) | .value[] | "/usr/share/orthanc/plugins/" + .]
    )
  }
  * (if $given | has("DicomWeb") then {DicomWeb: {Enable: true}} else {} end)
  * (if $given | has("PostgreSQL") then {PostgreSQL: {EnableIndex: true, EnableStorage: false, Lock: false}} else {} end)
  * $given
  # In place of the official plugin, which Debian does not have: a script before the one of the configuration.
  * (
      if $given | has("AwsS3Storage") then
        {StandInScript: $given.Python.Path, Python: {Path: "/usr/local/share/orthanc-bucket/with_bucket.py"}}
      else {} end
    )
