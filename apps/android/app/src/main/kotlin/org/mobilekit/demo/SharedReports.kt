package org.mobilekit.demo

import android.content.Context
import android.content.Intent
import androidx.core.content.FileProvider
import org.mobilekit.core.Report
import java.io.File

/** Gives reports to other apps, as files of JSON. */
object SharedReports {
    fun share(
        context: Context,
        report: Report,
    ) {
        val folder = File(context.cacheDir, "reports").apply { mkdirs() }
        val file = File(folder, "${report.model.name}-${report.id}.json").apply { writeText(report.text()) }
        val uri = FileProvider.getUriForFile(context, "${context.packageName}.reports", file)
        val intent =
            Intent(Intent.ACTION_SEND)
                .setType("application/json")
                .putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        context.startActivity(Intent.createChooser(intent, "Device report"))
    }
}
