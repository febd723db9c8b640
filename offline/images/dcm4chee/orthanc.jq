# Orthanc's settings from what the directory says of the archive. It asks for no credential, as the archive does not.
($ENV.SERVICES | split("\n")) as $services
| {
    Name: "Stand-in of DCM4chee",
    StorageDirectory: $ENV.STORAGE_DIR,
    IndexDirectory: $ENV.STORAGE_DIR,
    HttpServerEnabled: true,
    HttpPort: 8042,
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    KeepAlive: true,
    KeepAliveTimeout: 15,
    HttpThreadsCount: 50,
    ExecuteLuaEnabled: false,
    RestApiWriteToFileSystemEnabled: false,
    OverwriteInstances: false,
    LuaScripts: (if $ENV.CONFLICTING == "YES" then [] else ["/usr/share/stand-in/conflicting_patient.lua"] end),
    StableAge: 30,
    DicomServerEnabled: ($ENV.ACCEPTS == "TRUE"),
    DicomPort: ($ENV.DICOM_PORT | tonumber),
    DicomAet: $ENV.AE_TITLE,
    DicomCheckCalledAet: true,
    StrictAetComparison: true,
    DicomCheckModalityHost: false,
    DicomAlwaysAllowEcho: false,
    DicomAlwaysAllowStore: false,
    DicomModalities: (
      [
        $ENV.CALLERS | split("\n")[] | select(. != "")
        | {
            (.): {
              AET: ., Host: "127.0.0.1", Port: 104,
              AllowEcho: ($services | any(. == "1.2.840.10008.1.1")),
              AllowStore: ($services | any(startswith("1.2.840.10008.5.1.4.1.1."))),
              AllowFind: ($services | any(. == "1.2.840.10008.5.1.4.1.2.2.1")),
              AllowGet: ($services | any(. == "1.2.840.10008.5.1.4.1.2.2.3")),
              AllowMove: ($services | any(. == "1.2.840.10008.5.1.4.1.2.2.2")),
              AllowFindWorklist: ($services | any(. == "1.2.840.10008.5.1.4.31"))
            }
          }
      ] | add // {}
    ),
    Plugins: [
      "libOrthancDicomWeb.so", "libOrthancPostgreSQLIndex.so", "libOrthancPostgreSQLStorage.so"
      | "/usr/share/orthanc/plugins/" + .
    ],
    PostgreSQL: {
      EnableIndex: true, EnableStorage: false, Lock: false,
      Host: $ENV.POSTGRES_HOST, Port: ($ENV.POSTGRES_PORT | tonumber), Database: $ENV.POSTGRES_DB,
      Username: $ENV.POSTGRES_USER, Password: $ENV.POSTGRES_PASSWORD,
      MaximumConnectionRetries: 60, ConnectionRetryInterval: 1
    },
    # Its links are made of this root and of what `Forwarded` says, as the archive makes them of the request's address.
    DicomWeb: {
      Enable: true, Root: "/dcm4chee-arc/aets/\($ENV.AE_TITLE)/rs/", EnableWado: false,
      StudiesMetadata: "MainDicomTags", SeriesMetadata: "Full"
    }
  }
